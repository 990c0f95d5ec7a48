package journal

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"
)

// salvage makes a new database of the records that are left in a damaged one, and returns how many there are. Each of them
// has a checksum, so nothing needs to be right of what leads to them, the first page of the file included. A damaged
// database that has a write-ahead log is changed: it is a copy.
func salvage(ctx context.Context, damaged, path string) (rows int, err error) {
	to, err := openPool(path, "rwc", 1)
	if err != nil {
		return 0, err
	}

	defer func() { err = errors.Join(err, to.Close()) }()

	for _, statement := range []string{"PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", schema,
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion)} {
		if _, err := to.ExecContext(ctx, statement); err != nil {
			return 0, err
		}
	}

	if hasLog(damaged) {
		if err := joinLog(ctx, damaged, path); err != nil {
			return 0, err
		}
	}

	from, err := openLeaves(damaged)
	if err != nil {
		return 0, err
	}
	defer from.close()

	return copyRows(ctx, from, to)
}

// joinLog moves the write-ahead log into the database, as far as it is whole. Where the first page of the database does not
// let it, that of a new one is put in its place.
func joinLog(ctx context.Context, damaged, fresh string) error {
	if checkLog(damaged) == nil && moveWholeLog(ctx, damaged) == nil {
		return nil
	}

	if err := renewFirstPage(damaged, fresh); err != nil {
		return err
	}

	_ = moveWholeLog(ctx, damaged) // where it still cannot be read there is only the database

	return nil
}

func moveWholeLog(ctx context.Context, path string) error {
	pool, err := openPool(path, "rw", 1)
	if err != nil {
		return err
	}

	var busy, frames, moved int

	err = pool.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&frames)
	if err == nil {
		err = pool.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	}

	return errors.Join(err, pool.Close())
}

// renewFirstPage gives a database the first page of a fresh one.
func renewFirstPage(damaged, fresh string) error {
	source, err := os.Open(fresh)
	if err != nil {
		return err
	}
	defer source.Close()

	page := make([]byte, usualPageSize)
	if _, err := io.ReadFull(source, page); err != nil {
		return err
	}

	// Offsets in SQLite's file header: 18 and 19 say that there is a write-ahead log, 28 how many pages there are: 0 means
	// that the size of the file tells.
	copy(page[18:], []byte{2, 2})
	clear(page[28:32])

	target, err := os.OpenFile(damaged, os.O_WRONLY, 0)
	if err != nil {
		return err
	}

	_, err = target.WriteAt(page, 0)

	return errors.Join(err, target.Close())
}

// copyRows copies the rows that are as they were written.
func copyRows(ctx context.Context, from *leaves, to *sql.DB) (rows int, err error) {
	moment, err := to.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer moment.Rollback() //nolint:errcheck // after a commit there is nothing to roll back

	insert, err := moment.PrepareContext(ctx, strings.Replace(insertRow, "INSERT", "INSERT OR IGNORE", 1))
	if err != nil {
		return 0, err
	}
	defer insert.Close()

	scan := scanner{texts: make(map[string]string)}
	arguments := make([]any, columnCount)

	err = from.each(func(number int64, values []driver.Value) error {
		switch {
		case len(values) < columnCount && number == 1:
			return copyRetained(ctx, moment, values)
		case len(values) < columnCount || number <= 0:
			return nil
		}

		values = values[:columnCount] // a newer version may have more
		values[0] = number

		if scan.read(values); scan.row.damage != nil {
			return nil
		}

		for i, value := range values {
			arguments[i] = value
		}

		done, err := insert.ExecContext(ctx, arguments...)
		if err != nil && code(err) != sqlite3.SQLITE_CONSTRAINT {
			return fmt.Errorf("cannot copy record %d: %w", number, err)
		}

		if err == nil {
			added, _ := done.RowsAffected() // 0 where it is there already
			rows += int(added)
		}

		return nil
	})
	if err != nil {
		return 0, err
	}

	return rows, moment.Commit()
}

// copyRetained copies what says below which sequence records were deleted on purpose, if it is that.
func copyRetained(ctx context.Context, to *sql.Tx, values []driver.Value) error {
	if len(values) != 3 || values[0] != nil {
		return nil
	}

	floor, known := values[1].(int64)
	kept, alsoKnown := values[2].(int64)

	if !known || !alsoKnown || floor < 1 || kept < 0 {
		return nil
	}

	_, err := to.ExecContext(ctx, "UPDATE retained SET floor = ?, kept = ?", floor, kept)

	return err
}
