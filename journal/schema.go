package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	sqlite3 "modernc.org/sqlite/lib"
)

// The identity of the file: "xact" as SQLite's application id, and the version of the schema below.
const (
	applicationID = 0x78616374
	schemaVersion = 2
)

// schema is docs/journal.md's table. Columns are only ever added.
const schema = `
CREATE TABLE records (
	seq          INTEGER PRIMARY KEY,
	instance     TEXT    NOT NULL,
	boot         TEXT    NOT NULL,
	run          TEXT    NOT NULL,
	service      TEXT    NOT NULL,
	attempt      INTEGER NOT NULL,
	kind         TEXT    NOT NULL,
	state        TEXT    NOT NULL,
	message      TEXT    NOT NULL,
	wall_ns      INTEGER NOT NULL,
	boot_ns      INTEGER NOT NULL,
	cause_seq    INTEGER NOT NULL,
	decision_seq INTEGER NOT NULL,
	actor_uid    INTEGER,
	actor_pid    INTEGER,
	actor_via    TEXT,
	payload      BLOB    NOT NULL,
	crc          INTEGER NOT NULL
) STRICT;
CREATE INDEX records_service ON records (service);
` + schema2

// schema2 came with version 2: below floor only as many records are left as kept says, above it all of them.
const schema2 = `
CREATE TABLE retained (
	id    INTEGER PRIMARY KEY CHECK (id = 1),
	floor INTEGER NOT NULL,
	kept  INTEGER NOT NULL
) STRICT;
INSERT INTO retained SELECT 1, coalesce(min(seq), 1), 0 FROM records;
`

// migrations lead from each older version to the next.
var migrations = map[int64]string{1: schema2}

const columns = `seq, instance, boot, run, service, attempt, kind, state, message, wall_ns, boot_ns, cause_seq, decision_seq,
	actor_uid, actor_pid, actor_via, payload, crc`

const columnCount = 18

const insertRow = `INSERT INTO records (` + columns + `) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`

// foreignError tells that a database is whole but not one that this version may write.
type foreignError struct{ problem string }

func (e *foreignError) Error() string { return e.problem }

// ensureSchema makes the schema in an empty database, brings an older one up to date, and refuses one that is not ours or
// newer than we are.
func ensureSchema(ctx context.Context, conn *sql.Conn) error {
	var application, version, tables, pages int64

	for pragma, value := range map[string]*int64{
		"PRAGMA application_id": &application, "PRAGMA user_version": &version,
		"SELECT count(*) FROM sqlite_schema": &tables, "PRAGMA page_count": &pages,
	} {
		if err := conn.QueryRowContext(ctx, pragma).Scan(value); err != nil {
			return fmt.Errorf("cannot read the schema: %w", err)
		}
	}

	switch {
	case tables == 0 && pages > 1:
		return &damageError{fmt.Errorf("nothing leads to its %d pages", pages)}
	case tables == 0:
		return createSchema(ctx, conn)
	case application != applicationID:
		return &foreignError{fmt.Sprintf("application id %#x is not that of a journal", application)}
	case version < 1 || version > schemaVersion:
		return &foreignError{fmt.Sprintf("schema version %d is none of 1 to %d", version, schemaVersion)}
	}

	for ; version < schemaVersion; version++ {
		if err := changeSchema(ctx, conn, migrations[version], version+1); err != nil {
			return fmt.Errorf("cannot bring the schema to version %d: %w", version+1, err)
		}
	}

	return checkSchema(ctx, conn)
}

// damageError tells of damage that SQLite does not notice.
type damageError struct{ cause error }

func (e *damageError) Error() string { return e.cause.Error() }

func (e *damageError) Unwrap() error { return e.cause }

// hasLog tells whether a database has a write-ahead log with something in it.
func hasLog(path string) bool {
	info, err := os.Stat(path + "-wal")

	return err == nil && info.Size() > 0
}

// checkLog finds out whether only the write-ahead log of a database has something in it: SQLite would delete it.
func checkLog(path string) error {
	info, err := os.Stat(path)
	if empty := err != nil || info.Size() == 0; empty && hasLog(path) {
		return &damageError{errors.New("only the write-ahead log has something in it")}
	}

	return nil
}

// checkSchema finds out whether every column has its name. SQLite reads the schema as text, and knows of no damage in it.
func checkSchema(ctx context.Context, conn *sql.Conn) error {
	for _, query := range []string{"SELECT " + columns + " FROM records LIMIT 0", "SELECT floor, kept FROM retained LIMIT 0"} {
		_, err := conn.ExecContext(ctx, query)
		if code(err) == sqlite3.SQLITE_ERROR {
			return &damageError{fmt.Errorf("the schema is damaged: %w", err)}
		}

		if err != nil {
			return fmt.Errorf("cannot read the schema: %w", err)
		}
	}

	return nil
}

func createSchema(ctx context.Context, conn *sql.Conn) error {
	if err := changeSchema(ctx, conn, schema, schemaVersion); err != nil {
		return fmt.Errorf("cannot create the schema: %w", err)
	}
	// What names the file must be in the database itself, not only in the write-ahead log, which may be lost.
	if _, err := conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return fmt.Errorf("cannot write the schema: %w", err)
	}

	return nil
}

// changeSchema runs statements and sets the version in one transaction.
func changeSchema(ctx context.Context, conn *sql.Conn, statements string, version int64) error {
	script := fmt.Sprintf("BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d; %s COMMIT;",
		applicationID, version, statements)
	if _, err := conn.ExecContext(ctx, script); err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK")

		return err
	}

	return nil
}
