package main

import (
	"cmp"
	"fmt"
	"strings"

	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/journal"
)

// journalDocument is `extactor journal info -o json`.
type journalDocument struct {
	APIVersion string         `json:"apiVersion"`
	Path       string         `json:"path"`
	Schema     int64          `json:"schema"`
	Bytes      int64          `json:"bytes"`
	First      uint64         `json:"first"` // sequences
	Floor      uint64         `json:"floor"` // from here on everything is there; below it only lines of EVENTS
	Last       uint64         `json:"last"`
	Services   []string       `json:"services"`
	Boots      []bootDocument `json:"boots"` // oldest first
	Problems   []string       `json:"problems"`
	Daemon     *keptDocument  `json:"daemon"` // null where no daemon was asked
}

type bootDocument struct {
	Boot  int     `json:"boot"` // as --boot takes it
	ID    string  `json:"id"`
	First uint64  `json:"first"`
	Last  uint64  `json:"last"`
	Began *string `json:"began"`
	Ended *string `json:"ended"`
}

// keptDocument is what only the daemon knows.
type keptDocument struct {
	Synced   uint64   `json:"synced"`
	Buffered uint64   `json:"buffered"`
	Lost     uint64   `json:"lost"`
	Problem  string   `json:"problem"`
	Since    *string  `json:"since"`
	Losses   []string `json:"losses"`
	Checked  bool     `json:"checked"`
}

func journalDocumentOf(file string, summary journal.Summary, problems []string, status *apiv1.JournalStatusResponse) journalDocument {
	document := journalDocument{
		APIVersion: apiVersion, Path: cmp.Or(status.GetPath(), file), Schema: summary.Schema, Bytes: summary.Bytes,
		First: summary.First, Floor: max(summary.Floor, 1), Last: summary.Last, Services: append([]string{}, summary.Services...),
		Boots: make([]bootDocument, 0, len(summary.Boots)), Problems: append([]string{}, problems...),
	}

	for i, boot := range summary.Boots {
		document.Boots = append(document.Boots, bootDocument{
			Boot: i + 1 - len(summary.Boots), ID: boot.ID, First: boot.First, Last: boot.Last,
			Began: momentText(boot.Began), Ended: momentText(boot.Ended),
		})
	}

	if status != nil {
		document.Daemon = &keptDocument{
			Synced: status.GetSynced(), Buffered: status.GetBuffered(), Lost: status.GetLost(), Problem: status.GetProblem(),
			Since: optionalTime(status.GetSince()), Losses: append([]string{}, status.GetLosses()...), Checked: status.GetChecked(),
		}
	}

	return document
}

func momentText(at events.Moment) *string {
	return optionalTime(&apiv1.Moment{WallNs: at.WallNS, BootNs: at.BootNS})
}

func (a *app) showJournal(document journalDocument, output string) error {
	switch output {
	case outputJSON:
		return writeJSON(a.stdout, document, "  ")
	case outputYAML:
		return writeYAML(a.stdout, document)
	}

	rows := [][]cell{
		plain("PATH", document.Path),
		plain("SIZE", sizeText(document.Bytes)),
		plain("RECORDS", recordsText(document)),
		plain("SERVICES", strings.Join(document.Services, ", ")),
	}

	if kept := document.Daemon; kept != nil {
		state := "every record is written"
		if kept.Problem != "" {
			state = fmt.Sprintf("cannot be written since %s: %s; %s in memory only", *kept.Since, kept.Problem, counted(kept.Buffered, "record is", "records are"))
		}

		rows = append(rows, plain("STATE", state))

		if kept.Lost > 0 {
			rows = append(rows, plain("LOST", counted(kept.Lost, "record", "records")))
		}

		for _, loss := range kept.Losses {
			rows = append(rows, plain("LOSS", loss))
		}
	}

	for _, problem := range document.Problems {
		rows = append(rows, plain("PROBLEM", problem))
	}

	(&table{out: a.stdout}).write(rows...)

	boots := [][]cell{plain("BOOT", "FROM", "TO", "RECORDS", "ID")}
	for _, boot := range document.Boots {
		boots = append(boots, plain(fmt.Sprint(boot.Boot), *boot.Began, *boot.Ended, fmt.Sprintf("%d to %d", boot.First, boot.Last), boot.ID))
	}

	fmt.Fprintln(a.stdout)
	(&table{out: a.stdout}).write(boots...)

	return nil
}

func recordsText(document journalDocument) string {
	if document.Last == 0 {
		return "none"
	}

	if document.First < document.Floor {
		return fmt.Sprintf("%d to %d, and before them lines of EVENTS from %d on", document.Floor, document.Last, document.First)
	}

	return fmt.Sprintf("%d to %d", document.First, document.Last)
}

// sizeText is a size in words.
func sizeText(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}

	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}
