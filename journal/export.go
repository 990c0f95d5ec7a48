package journal

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
)

// The format of an export: JSON lines. docs/journal.md describes it. Fields are only ever added within a version.
const (
	exportFormat  = "extactor-journal"
	exportVersion = 1
)

// exportHeader is the first line.
type exportHeader struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Floor   uint64 `json:"floor"` // below it records were deleted on purpose
	Kept    uint64 `json:"kept"`  // how many were left there
}

// exportRecord is one line for each record, by its sequence.
type exportRecord struct {
	Seq      uint64            `json:"seq"`
	Instance string            `json:"instance"`
	Boot     string            `json:"boot"`
	Run      string            `json:"run"`
	Service  string            `json:"service"`
	Attempt  uint64            `json:"attempt"`
	Kind     string            `json:"kind"`
	State    string            `json:"state"`
	Message  string            `json:"message"`
	WallNS   int64             `json:"wallNs"`
	BootNS   int64             `json:"bootNs"`
	Cause    uint64            `json:"cause"`
	Decision uint64            `json:"decision"`
	Origin   *exportOrigin     `json:"origin,omitempty"`
	Fact     json.RawMessage   `json:"fact,omitempty"` // the payload for people; import does not read it
	Payload  []byte            `json:"payload"`        // protobuf, base64
	CRC      uint32            `json:"crc"`
	Bytes    map[string][]byte `json:"bytes,omitempty"` // texts that are not UTF-8, by the name of their field, base64
}

type exportOrigin struct {
	UID uint32 `json:"uid"`
	PID int32  `json:"pid"`
	Via string `json:"via"`
}

// exportEnd is the last line: without it an export is not whole.
type exportEnd struct {
	End     bool     `json:"end"`
	Records uint64   `json:"records"`
	Damaged []uint64 `json:"damaged,omitempty"` // sequences of records that are left out because they are damaged
}

// Export writes everything that can be read as JSON lines, and returns how many records that are and how many are left out
// because they are damaged.
func (r *Reader) Export(ctx context.Context, to io.Writer) (written uint64, damaged int, err error) {
	out := bufio.NewWriterSize(to, 1<<16)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)

	floor, kept, err := retained(ctx, r.store.readers)
	if err != nil {
		return 0, 0, err
	}

	end := exportEnd{End: true}
	if err := encoder.Encode(exportHeader{Format: exportFormat, Version: exportVersion, Floor: floor, Kept: kept}); err != nil {
		return 0, 0, err
	}

	err = r.store.gather(ctx, func(row *row) error {
		if row.damage != nil {
			end.Damaged = append(end.Damaged, row.record.Seq)

			return nil
		}

		end.Records++

		return encoder.Encode(exported(row.record, row.payload, row.crc))
	}, "ORDER BY seq")
	if err == nil {
		err = encoder.Encode(end)
	}

	return end.Records, len(end.Damaged), errors.Join(err, out.Flush())
}

func exported(record events.Record, payload []byte, crc uint32) exportRecord {
	line := exportRecord{
		Seq: record.Seq, Instance: record.Instance, Boot: record.BootID, Run: record.RunID, Service: record.Service,
		Attempt: record.Attempt, Kind: record.Kind, State: record.State, Message: record.Message,
		WallNS: record.WallNS, BootNS: record.BootNS, Cause: record.Cause, Decision: record.Decision,
		Payload: append([]byte{}, payload...), CRC: crc,
	}

	if by := record.Origin; by != nil {
		line.Origin = &exportOrigin{UID: by.GetUid(), PID: by.GetPid(), Via: viaOf(by)}
	}

	for name, text := range line.texts() {
		if !utf8.ValidString(*text) {
			if line.Bytes == nil {
				line.Bytes = make(map[string][]byte)
			}

			line.Bytes[name], *text = []byte(*text), ""
		}
	}

	if decode(&record, payload) == nil {
		var fact proto.Message = record.Event
		if record.Command != nil {
			fact = record.Command
		}

		if record.Event != nil || record.Command != nil {
			line.Fact, _ = protojson.Marshal(fact) // only for people
		}
	}

	return line
}

func (e *exportRecord) texts() map[string]*string {
	texts := map[string]*string{
		"instance": &e.Instance, "boot": &e.Boot, "run": &e.Run, "service": &e.Service, "kind": &e.Kind, "state": &e.State,
		"message": &e.Message,
	}
	if e.Origin != nil {
		texts["origin.via"] = &e.Origin.Via
	}

	return texts
}

// record is what the line says.
func (e *exportRecord) record() (events.Record, error) {
	for name, bytes := range e.Bytes {
		text := e.texts()[name]
		if text == nil {
			return events.Record{}, fmt.Errorf("record %d has no text %q", e.Seq, name)
		}

		*text = string(bytes)
	}

	record := events.Record{
		Seq: e.Seq, Instance: e.Instance, BootID: e.Boot, RunID: e.Run, Service: e.Service, Attempt: e.Attempt, Kind: e.Kind,
		State: e.State, Message: e.Message, WallNS: e.WallNS, BootNS: e.BootNS, Cause: e.Cause, Decision: e.Decision,
	}
	if e.Origin != nil {
		record.Origin = originOf(e.Origin.UID, e.Origin.PID, e.Origin.Via)
	}

	if sum, _ := checksum(nil, &record, e.Payload); sum != e.CRC {
		return record, fmt.Errorf("record %d is damaged: checksum %08x instead of %08x", e.Seq, sum, e.CRC)
	}

	return record, nil
}

// Import makes a new database from an export, and returns how many records it has. A file that exists is not touched; where
// the export is not whole, or not right, nothing is made.
func Import(ctx context.Context, from io.Reader, path string) (records uint64, err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)

	switch {
	case errors.Is(err, fs.ErrExist):
		return 0, fmt.Errorf("cannot import into %q: the file exists, and is never replaced", path)
	case err != nil:
		return 0, fmt.Errorf("cannot import into %q: %w", path, err)
	}

	_ = file.Close()

	records, err = importInto(ctx, json.NewDecoder(bufio.NewReaderSize(from, 1<<16)), path)
	if err == nil {
		err = dropLog(ctx, path)
	}

	_ = os.Remove(path + "-wal") // all of it is in the database

	if err != nil {
		_ = os.Remove(path)

		return 0, fmt.Errorf("cannot import into %q: %w", path, err)
	}

	return records, nil
}

// dropLog makes a database one that needs no write-ahead log beside it.
func dropLog(ctx context.Context, path string) error {
	pool, err := openPool(path, "rw", 1)
	if err != nil {
		return err
	}

	_, err = pool.ExecContext(ctx, "PRAGMA journal_mode = DELETE")

	return errors.Join(err, pool.Close())
}

func importInto(ctx context.Context, lines *json.Decoder, path string) (records uint64, err error) {
	var header exportHeader
	if err := lines.Decode(&header); err != nil || header.Format != exportFormat {
		return 0, fmt.Errorf("the first line is not that of an export (format %q)", exportFormat)
	}

	if header.Version != exportVersion {
		return 0, fmt.Errorf("the export is of version %d; known is %d", header.Version, exportVersion)
	}

	store, err := openStore(path)
	if err != nil {
		return 0, err
	}

	defer func() { err = errors.Join(err, store.close()) }()

	if _, err := store.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return 0, err
	}

	for {
		var line struct {
			exportRecord
			exportEnd
		}

		if err := lines.Decode(&line); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, fmt.Errorf("the export ends after %d records, before its last line", records)
		} else if err != nil {
			return 0, fmt.Errorf("line %d: %w", records+2, err)
		}

		if line.End {
			if line.Records != records {
				return 0, fmt.Errorf("the export says that it has %d records, and has %d", line.Records, records)
			}

			break
		}

		record, err := line.record()
		if err != nil {
			return 0, err
		}

		if err := store.insertRow(ctx, &record, line.Payload); err != nil {
			return 0, fmt.Errorf("record %d: %w", record.Seq, err)
		}

		records++
	}

	if _, err := store.conn.ExecContext(ctx, "UPDATE retained SET floor = ?, kept = ?", signed(header.Floor), signed(header.Kept)); err != nil {
		return 0, err
	}

	if _, err := store.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return 0, err
	}

	var busy, frames, moved int

	err = store.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	if err == nil && busy != 0 {
		err = errors.New("the write-ahead log cannot be moved")
	}

	return records, err
}
