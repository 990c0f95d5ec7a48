package journal

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"
)

// salvageDepth bounds into how many pieces what cannot be read is cut: damage is most often one page, or one end of the file.
const salvageDepth = 12

// salvager brings the rows that can still be read into another database.
type salvager struct {
	from, to *sql.DB
	rows     int
}

// salvage makes a new copy of what can be read of one whose structure is damaged.
func (r *Reader) salvage(damaged string, why error) error {
	if err := pad(damaged); err != nil {
		return err
	}

	ctx := context.Background()
	whole := filepath.Join(r.scratch, "salvaged.db")

	to, err := openPool(whole, "rwc", 1)
	if err != nil {
		return err
	}
	defer to.Close()

	for _, statement := range []string{"PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", schema,
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion), "BEGIN"} {
		if _, err := to.ExecContext(ctx, statement); err != nil {
			return err
		}
	}

	work := &salvager{from: r.store.readers, to: to}

	if err := work.read(ctx, 0, math.MaxInt64, salvageDepth); err != nil {
		return err
	}

	if work.rows == 0 {
		return fmt.Errorf("nothing of it can be read: %w", why)
	}

	// Below which sequence records were deleted on purpose.
	if floor, kept, err := retained(ctx, r.store.readers); err == nil {
		if _, err := to.ExecContext(ctx, "UPDATE retained SET floor = ?, kept = ?", signed(floor), signed(kept)); err != nil {
			return err
		}
	}

	if _, err := to.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}

	if err := to.Close(); err != nil {
		return err
	}

	r.problems = []string{fmt.Sprintf("its structure is damaged; %d records could be read", work.rows)}

	return r.openCopy(whole)
}

// pad makes a database that was cut off as long as it says that it is: of a shorter one SQLite reads nothing at all.
func pad(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()

	// Offsets in SQLite's file header: 16 is the size of a page (1 means 65536), 28 how many there are.
	var header [32]byte
	if _, err := file.ReadAt(header[:], 0); err != nil {
		return nil //nolint:nilerr // there is nothing to read then
	}

	size := int64(binary.BigEndian.Uint16(header[16:]))
	if size == 1 {
		size = 1 << 16
	}

	info, err := file.Stat()
	if err != nil {
		return err
	}

	whole := size * int64(binary.BigEndian.Uint32(header[28:]))
	if info.Size() >= whole || whole > mostPadded*max(info.Size(), 1<<20) { // or its size is damaged, too
		return nil
	}

	return file.Truncate(whole)
}

// mostPadded is how many times as long as it is a database may say that it is. What is added takes no space.
const mostPadded = 1000

// read brings over the rows between two sequences: from both ends to what is damaged, and then what is inside.
func (w *salvager) read(ctx context.Context, above, below int64, depth int) error {
	up, err := w.run(ctx, above, below, "ASC")
	if err != nil || up == below {
		return err
	}

	down, err := w.run(ctx, up, below, "DESC")
	if err != nil || depth == 0 || down-up < 2 {
		return err
	}

	if down == math.MaxInt64 { // the end cannot be read: it is where others end
		down = up + 1<<20
	}

	middle := up + (down-up)/2
	if err := w.read(ctx, up, middle+1, depth-1); err != nil {
		return err
	}

	return w.read(ctx, middle, down, depth-1)
}

// run brings over rows in one direction until they cannot be read, and returns how far it came: the other border where
// nothing was in the way.
func (w *salvager) run(ctx context.Context, above, below int64, order string) (at int64, err error) {
	begin, end := above, below
	if order == "DESC" {
		begin, end = below, above
	}

	for at = begin; ; {
		next, rows, err := w.page(ctx, min(at, end), max(at, end), order)

		switch {
		case err != nil:
			return at, err
		case rows < 0: // damaged
			return next, nil
		case rows < pageRows:
			return end, nil
		}

		at = next
	}
}

// page brings over some rows. Where reading fails it returns -1 rows, and the last one that could be read.
func (w *salvager) page(ctx context.Context, above, below int64, order string) (at int64, count int, err error) {
	at = above
	if order == "DESC" {
		at = below
	}

	// #nosec G202 -- what is put together are constants of this package; values are arguments
	rows, err := w.from.QueryContext(ctx, "SELECT "+columns+" FROM records NOT INDEXED WHERE seq > ? AND seq < ? ORDER BY seq "+order+" LIMIT ?",
		above, below, pageRows)
	if err != nil {
		return at, -1, nil
	}
	defer rows.Close()

	values := make([]any, strings.Count(columns, ",")+1)
	into := make([]any, len(values))

	for i := range values {
		into[i] = &values[i]
	}

	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return at, -1, nil
		}

		seq, ok := values[0].(int64)
		if !ok {
			return at, 0, errors.New("a sequence is no number")
		}

		at = seq
		count++
		w.rows++

		// What does not fit the columns' types is damaged.
		if _, err := w.to.ExecContext(ctx, strings.Replace(insertRow, "INSERT", "INSERT OR IGNORE", 1), values...); err != nil && code(err) != sqlite3.SQLITE_CONSTRAINT {
			return at, count, fmt.Errorf("cannot copy what can be read: %w", err)
		}
	}

	if rows.Err() != nil {
		return at, -1, nil
	}

	return at, count, nil
}
