package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/journal"
)

func (a *app) journalCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "journal",
		Short: "Look after the journal: info, verify, export, import, prune, backup",
		Long: "Look after the journal of the daemon or, with --journal, of a file. What only reads works on a private copy of the " +
			"database, so that it changes nothing and holds nobody up.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(
		a.journalInfoCommand(), a.journalVerifyCommand(), a.journalExportCommand(), a.journalImportCommand(),
		a.journalPruneCommand(), a.journalBackupCommand(),
	)

	return command
}

// journalFlag adds the flag that names a file; what it is set to is read from the result.
func (a *app) journalFlag(command *cobra.Command) *string {
	file := command.Flags().String("journal", "", "the file, or the state directory, of a journal; the daemon's if it is not said")
	_ = command.MarkFlagFilename("journal") // only for a flag that does not exist

	return file
}

// journalStatus asks the daemon how its journal does.
func (a *app) journalStatus(ctx context.Context) (status *apiv1.JournalStatusResponse, err error) {
	err = a.ask(func(client *api.Client) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()

		status, err = client.Extactor.JournalStatus(ctx, &apiv1.JournalStatusRequest{})

		return err
	})

	return status, withoutDaemon(err)
}

// readJournal works on a copy of a file, or of the daemon's journal. Of the latter it also hands on how that does.
func (a *app) readJournal(ctx context.Context, file string, work func(*journal.Reader, *apiv1.JournalStatusResponse) error) (err error) {
	var status *apiv1.JournalStatusResponse

	if file == "" {
		if err := a.onNode(); err != nil {
			return err
		}

		if status, err = a.journalStatus(ctx); err != nil {
			return err
		}

		file = status.GetPath()
	}

	reader, err := openCopy(file)
	if err != nil {
		return err
	}

	defer func() { err = errors.Join(err, reader.Close()) }()

	return work(reader.Reader, status)
}

// warnOfMissing says on stderr what is not in a copy: of a file, or of the daemon's journal where none is named.
func (a *app) warnOfMissing(file string, reader *journal.Reader, status *apiv1.JournalStatusResponse) {
	for _, problem := range reader.Problems() {
		fmt.Fprintf(a.stderr, "extactor: journal %s: %s\n", cmp.Or(file, status.GetPath()), problem)
	}

	if buffered := status.GetBuffered(); buffered > 0 {
		fmt.Fprintf(a.stderr, "extactor: not among them, because not written yet: %s: %s\n", counted(buffered, "record", "records"), status.GetProblem())
	}
}

// warnOfDamaged says on stderr which records were left out, once all were read.
func (a *app) warnOfDamaged(path string, reader *journal.Reader) {
	switch damaged := reader.Damaged(); len(damaged) {
	case 0:
	case 1:
		fmt.Fprintf(a.stderr, "extactor: journal %s: record %d is damaged and was left out\n", path, damaged[0])
	default:
		fmt.Fprintf(a.stderr, "extactor: journal %s: %d records are damaged and were left out, the first is %d\n", path, len(damaged), damaged[0])
	}
}

func (a *app) journalInfoCommand() *cobra.Command {
	var (
		output string
		file   *string
	)

	command := &cobra.Command{
		Use:   "info",
		Short: "Tell what the journal holds, and how it does",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != outputTable && output != outputJSON && output != outputYAML {
				return usageError{fmt.Errorf("-o %q is not known; it is table, json or yaml", output)}
			}

			return a.readJournal(command.Context(), *file, func(reader *journal.Reader, status *apiv1.JournalStatusResponse) error {
				summary, err := reader.Summary(command.Context())
				if err != nil {
					return err
				}

				return a.showJournal(journalDocumentOf(*file, summary, reader.Problems(), status), output)
			})
		},
	}
	command.Flags().StringVarP(&output, "output", "o", outputTable, "table, json or yaml")
	completeOutput(command, outputTable, outputJSON, outputYAML)

	file = a.journalFlag(command)

	return a.asks(command)
}

func (a *app) journalVerifyCommand() *cobra.Command {
	var file *string

	command := &cobra.Command{
		Use:   "verify",
		Short: "Read every record, and tell what is damaged or missing",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return a.readJournal(command.Context(), *file, func(reader *journal.Reader, status *apiv1.JournalStatusResponse) error {
				found, err := reader.Verify(command.Context())
				if err != nil {
					return err
				}

				problems := append(found.Problems, status.GetLosses()...)
				if status.GetProblem() != "" {
					problems = append(problems, fmt.Sprintf("it cannot be written: %s; in memory only: %s", status.GetProblem(), counted(status.GetBuffered(), "record", "records")))
				}

				for _, problem := range problems {
					fmt.Fprintln(a.stdout, oneLine(problem))
				}

				unknown := ""
				if found.Unknown > 0 {
					unknown = fmt.Sprintf(", %d of kinds that this version does not know", found.Unknown)
				}

				fmt.Fprintf(a.stdout, "%s read%s: %s\n", counted(found.Records, "record", "records"), unknown, problemCount(len(problems)))

				if len(problems) > 0 {
					return errSilent
				}

				return nil
			})
		},
	}
	file = a.journalFlag(command)

	return a.asks(command)
}

func problemCount(count int) string {
	if count == 0 {
		return "all of it is sound"
	}

	return counted(count, "problem", "problems")
}

func (a *app) journalExportCommand() *cobra.Command {
	var file *string

	command := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write the journal as JSON lines, to a new file or to stdout",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			return a.readJournal(command.Context(), *file, func(reader *journal.Reader, status *apiv1.JournalStatusResponse) (err error) {
				to := io.Writer(a.stdout)

				if len(args) == 1 && args[0] != "-" {
					target, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)

					switch {
					case errors.Is(err, fs.ErrExist):
						return fmt.Errorf("cannot export to %q: the file exists, and is never replaced", args[0])
					case err != nil:
						return fmt.Errorf("cannot export to %q: %w", args[0], err)
					}

					defer func() { err = errors.Join(err, target.Close()) }()

					to = target
				}

				records, damaged, err := reader.Export(command.Context(), to)
				if err != nil {
					return fmt.Errorf("cannot export: %w", err)
				}

				a.warnOfMissing(*file, reader, status)

				left := ""
				if damaged > 0 {
					left = fmt.Sprintf("; damaged and left out: %d", damaged)
				}

				fmt.Fprintf(a.stderr, "extactor: %s exported%s\n", counted(records, "record", "records"), left)

				return nil
			})
		},
	}
	file = a.journalFlag(command)

	return a.asks(command)
}

func (a *app) journalImportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "import EXPORT DATABASE",
		Short: "Make a new database from an export (- is stdin)",
		Args:  cobra.ExactArgs(2),
		RunE: func(command *cobra.Command, args []string) error {
			from := a.stdin

			if args[0] != "-" {
				source, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("cannot import: %w", err)
				}
				defer source.Close()

				from = source
			}

			records, err := journal.Import(command.Context(), from, args[1])
			if err != nil {
				return err
			}

			fmt.Fprintf(a.stderr, "extactor: %s imported into %s\n", counted(records, "record", "records"), args[1])

			return nil
		},
	}
}

func (a *app) journalPruneCommand() *cobra.Command {
	var before string

	command := &cobra.Command{
		Use:   "prune --before TIME",
		Short: "Delete old records of the running daemon's journal",
		Long: "Delete records of the running daemon's journal that are older than a time: " + momentHelp + ". Every service takes a " +
			"snapshot first, and the newest 64 lines of EVENTS of each service stay.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if before == "" {
				return usageError{errors.New("it is not said what is old: --before 30d")}
			}

			point, err := pointOf("--before", before)
			if err != nil {
				return err
			}

			return a.ask(func(client *api.Client) error {
				response, err := client.Extactor.PruneJournal(command.Context(), &apiv1.PruneJournalRequest{Before: point})
				if err != nil {
					return err
				}

				fmt.Fprintf(a.stdout, "everything from record %d on is kept; %s\n", response.GetFloor(), sizeText(response.GetBytes()))

				return nil
			})
		},
	}
	command.Flags().StringVar(&before, "before", "", "what is older than this is deleted")

	return a.asks(command)
}

func (a *app) journalBackupCommand() *cobra.Command {
	var (
		force bool
		file  *string
	)

	command := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write the journal, as it is at one moment, into a new database, while the daemon runs",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}

			newest, buffered, err := a.backupJournal(command.Context(), *file, path, force)
			if err != nil {
				if strings.Contains(err.Error(), "the file exists") {
					return fmt.Errorf("%w; --force replaces it", err)
				}

				return err
			}

			rest := ""
			if buffered > 0 {
				rest = fmt.Sprintf("; not in it, because not written yet: %s", counted(buffered, "record", "records"))
			}

			fmt.Fprintf(a.stdout, "%s holds everything up to record %d%s\n", path, newest, rest)

			return nil
		},
	}
	command.Flags().BoolVar(&force, "force", false, "replace a file that exists")

	file = a.journalFlag(command)

	return a.asks(command)
}

func (a *app) backupJournal(ctx context.Context, file, path string, force bool) (newest, buffered uint64, err error) {
	if file != "" {
		err = a.readJournal(ctx, file, func(reader *journal.Reader, _ *apiv1.JournalStatusResponse) error {
			a.warnOfMissing(file, reader, nil)

			newest, err = reader.Backup(ctx, path, force)

			return err
		})

		return newest, 0, err
	}

	if err := a.onNode(); err != nil {
		return 0, 0, err
	}

	err = a.ask(func(client *api.Client) error {
		response, err := client.Extactor.BackupJournal(ctx, &apiv1.BackupJournalRequest{Path: path, Force: force})
		newest, buffered = response.GetNewest(), response.GetBuffered()

		return err
	})

	return newest, buffered, err
}
