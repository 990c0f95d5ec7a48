package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// head is a small file beside the database with the newest synced sequence. Damage in the write-ahead log silently takes
// the newest rows away; the head is how that is noticed. It has two slots which are written in turn, so that a write that
// is torn leaves the other, and its size never changes, so that a full disk does not matter.
type head struct {
	file *os.File
	seq  uint64
	slot int64 // where the next write goes
}

const (
	headSlot   = 512
	headFormat = "extactor journal head %020d %08x\n"
)

// openHead opens or makes the file. Without a readable slot the sequence is 0.
func openHead(dir string) (*head, error) {
	path := filepath.Join(dir, headName)

	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot open head: %w", err)
	}

	h := &head{file: file}

	for slot := range int64(2) {
		if seq, ok := h.read(slot); ok && seq >= h.seq {
			h.seq, h.slot = seq, 1-slot
		}
	}

	if h.seq == 0 { // new, or damaged: take the space now
		if err := errors.Join(h.write(0), h.write(0)); err != nil {
			_ = file.Close()

			return nil, err
		}
	}

	return h, nil
}

// readHead returns the sequence that a head file names, 0 where it cannot be read.
func readHead(path string) uint64 {
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close()

	h, newest := &head{file: file}, uint64(0)

	for slot := range int64(2) {
		if seq, ok := h.read(slot); ok {
			newest = max(newest, seq)
		}
	}

	return newest
}

func (h *head) read(slot int64) (uint64, bool) {
	line := make([]byte, len(fmt.Sprintf(headFormat, 0, 0)))
	if _, err := h.file.ReadAt(line, slot*headSlot); err != nil && !errors.Is(err, io.EOF) {
		return 0, false
	}

	var (
		seq uint64
		sum uint32
	)
	if _, err := fmt.Sscanf(string(line), headFormat, &seq, &sum); err != nil {
		return 0, false
	}

	return seq, sum == headSum(seq)
}

// write puts the sequence on the disk.
func (h *head) write(seq uint64) error {
	line := make([]byte, headSlot)
	copy(line, fmt.Sprintf(headFormat, seq, headSum(seq)))

	if _, err := h.file.WriteAt(line, h.slot*headSlot); err != nil {
		return fmt.Errorf("cannot write head: %w", err)
	}

	if err := h.file.Sync(); err != nil {
		return fmt.Errorf("cannot sync head: %w", err)
	}

	h.seq, h.slot = seq, 1-h.slot

	return nil
}

func headSum(seq uint64) uint32 {
	return crc32.Checksum(fmt.Appendf(nil, "%020d", seq), castagnoli)
}
