package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// rewriter writes a file over itself after a sync of it failed. The kernel then takes pages for clean that never reached
// the disk, and the next sync says that all is well. Not even writing the same pages again helps everywhere: on ext4 the
// extents that were new stay marked as unwritten while the pages are remembered. So each part is read, forgotten by the
// kernel, written and synced, until it reads back from the disk as it was.
type rewriter struct {
	file  *os.File
	saved []byte // the part that is not safe yet: memory may be the only place where it is
	at    int64  // its place
}

// rewriteChunk is a multiple of every size in which the kernel remembers files, as it forgets nothing in part.
const rewriteChunk = 4 << 20

// pending tells that a part of the file is only in memory, so that the file must not be used.
func (r *rewriter) pending() bool { return r.saved != nil }

// rewrite does it; nobody else may write to the file meanwhile. After an error it goes on where it was.
func (r *rewriter) rewrite() error {
	if r.pending() {
		if err := r.settle(); err != nil {
			return err
		}
	}

	for at := int64(0); ; at += rewriteChunk {
		chunk := make([]byte, rewriteChunk)

		count, err := r.file.ReadAt(chunk, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}

		if count == 0 {
			return nil
		}

		r.saved, r.at = chunk[:count], at

		if err := r.settle(); err != nil {
			return err
		}
	}
}

// settle brings the saved part to the disk.
func (r *rewriter) settle() error {
	_ = r.file.Sync() // what is still to be written cannot be forgotten; whether this fails says nothing new

	if err := r.forget(); err != nil {
		return err
	}

	if _, err := r.file.WriteAt(r.saved, r.at); err != nil {
		return err
	}

	if err := errors.Join(r.file.Sync(), r.forget()); err != nil {
		return err
	}

	kept := make([]byte, len(r.saved))
	if _, err := r.file.ReadAt(kept, r.at); err != nil {
		return err
	}

	if !bytes.Equal(kept, r.saved) {
		return fmt.Errorf("%q does not keep what is written to it", r.file.Name())
	}

	r.saved = nil

	return nil
}

func (r *rewriter) forget() error {
	return unix.Fadvise(int(r.file.Fd()), r.at, rewriteChunk, unix.FADV_DONTNEED)
}
