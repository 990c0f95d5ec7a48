package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

// The values of -o.
const (
	outputTable = "table"
	outputJSON  = "json"
	outputYAML  = "yaml"
)

func (a *app) statusCommand() *cobra.Command {
	var (
		output string
		watch  bool
	)

	command := &cobra.Command{
		Use:   "status [ID...]",
		Short: "Show how services are",
		Long: "Show how services are: all of them as a table, one with its events. " +
			"An ID is tried as it is, then with \"ext-\" before it.",
		Example: "  extactor status\n" +
			"  extactor status hello-world\n" +
			"  extactor status --watch\n" +
			"  extactor status -o json | jq -r '.services[] | select(.up | not).id'",
		SuggestFor:        []string{"ps", "ls", "list", "inspect", "get"},
		ValidArgsFunction: a.completeIDs(-1),
		RunE: func(command *cobra.Command, ids []string) error {
			if !slices.Contains([]string{outputTable, outputJSON, outputYAML}, output) {
				return usageError{fmt.Errorf("-o %q is not known; it is table, json or yaml", output)}
			}

			if watch {
				return a.watchStatus(command.Context(), ids, output)
			}

			return a.showEachStatus(command.Context(), ids, false, output)
		},
	}
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if strings.Contains(err.Error(), "--journal") {
			return fmt.Errorf("%w; how services were, by a file of a journal: extactor replay --journal FILE", err)
		}

		return err
	})
	command.Flags().StringVarP(&output, "output", "o", outputTable, "table, json or yaml")
	command.Flags().BoolVarP(&watch, "watch", "w", false, "go on showing what changes")
	completeOutput(command, outputTable, outputJSON, outputYAML)

	return a.asks(command)
}

func completeOutput(command *cobra.Command, values ...cobra.Completion) {
	complete(command, "output", cobra.ShellCompDirectiveNoFileComp, values...)
}

// complete completes the words that a flag takes, and says whether files are meant besides.
func complete(command *cobra.Command, flag string, besides cobra.ShellCompDirective, values ...cobra.Completion) {
	err := command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, besides))
	if err != nil {
		panic(err) // only for a flag that does not exist
	}
}

// showEachStatus shows how services are, on each of the nodes.
func (a *app) showEachStatus(ctx context.Context, ids []string, withNode bool, output string) error {
	width, _ := terminalSize(a.stdout)
	table, begun := &table{out: a.stdout, most: width}, false

	var rejected []string

	err := eachNode(a, func(node *app, client *api.Client) (*apiv1.StatusResponse, error) {
		return node.askStatus(ctx, client, ids)
	}, func(node *app, response *apiv1.StatusResponse) error {
		defer func() { begun = true }()

		switch {
		case !node.several && withNode && len(ids) == 0:
			node.showTable(response.GetServices(), true)

			return nil
		case !node.several || output != outputTable:
			return node.showStatus(response, len(ids) == 1, output)
		case len(ids) == 1:
			if begun {
				fmt.Fprintln(a.stdout)
			}

			return node.showStatus(response, true, output)
		}

		rows := node.rowsOfNode(response.GetServices())
		if begun {
			rows = rows[1:]
		}

		table.write(rows...)

		if text := rejectedText(response.GetRejected()); text != "" && !withNode {
			rejected = append(rejected, node.node+": "+text)
		}

		return nil
	})

	if len(rejected) > 0 {
		fmt.Fprintf(a.stdout, "\n%s\n", strings.Join(rejected, "\n"))
	}

	return err
}

func (a *app) showStatus(response *apiv1.StatusResponse, single bool, output string) error {
	switch {
	case output == outputJSON:
		return writeJSON(a.stdout, a.documentOf(response), "  ")
	case output == outputYAML:
		return writeYAML(a.stdout, a.documentOf(response))
	case single && len(response.GetServices()) == 1:
		(&table{out: a.stdout}).write(a.block(response.GetServices()[0])...)
	default:
		a.showTable(response.GetServices(), false)
		a.showRejected(response.GetRejected())
	}

	return nil
}

// showTable shows one row for each service; with the node in front as Talos's client does.
func (a *app) showTable(services []*apiv1.Service, withNode bool) {
	rows := a.rows(services)
	if withNode {
		rows = a.rowsOfNode(services)
	}

	width, _ := terminalSize(a.stdout)
	(&table{out: a.stdout, most: width}).write(rows...)
}

// rowsOfNode are rows with the node in front.
func (a *app) rowsOfNode(services []*apiv1.Service) [][]cell {
	rows := a.rows(services)
	for i := range rows {
		node := "NODE"
		if i > 0 {
			node = a.node
		}

		rows[i] = slices.Insert(rows[i], 0, plain(node)...)
	}

	return rows
}

// showRejected tells which files are not used, one line for all.
func (a *app) showRejected(rejected []*apiv1.RejectedFile) {
	if text := rejectedText(rejected); text != "" {
		fmt.Fprintf(a.stdout, "\n%s\n", text)
	}
}

func rejectedText(rejected []*apiv1.RejectedFile) string {
	if len(rejected) == 0 {
		return ""
	}

	files := make([]string, len(rejected))
	for i, file := range rejected {
		files[i] = fmt.Sprintf("%s (%s)", filepath.Base(file.GetFile()), strings.Join(file.GetPositions(), ", "))
	}

	count := "1 file was"
	if len(rejected) > 1 {
		count = fmt.Sprintf("%d files were", len(rejected))
	}

	return oneLine(fmt.Sprintf("%s skipped: %s; see: extactor validate %s", count, strings.Join(files, ", "), filepath.Dir(rejected[0].GetFile())))
}

func (a *app) rows(services []*apiv1.Service) [][]cell {
	rows := [][]cell{plain(header...)}
	for _, service := range services {
		rows = append(rows, a.row(service))
	}

	return rows
}

var header = []string{"SERVICE", "STATE", "HEALTH", "LAST CHANGE", "LAST EVENT"}

func (a *app) row(service *apiv1.Service) []cell {
	palette, health := a.paint(), healthWord(service)
	change, event := "", "<none>"

	if events := service.GetEvents(); len(events) > 0 {
		last := events[len(events)-1]
		change, event = a.clock().ago(last.GetAt()), last.GetMessage()
	}

	row := plain(service.GetId(), service.GetState(), health, change, event)
	row[1].style = palette.state(service.GetState())
	row[2].style = palette.health(health)

	return row
}

func healthWord(service *apiv1.Service) string {
	switch health := service.GetHealth(); {
	case health.GetUnknown():
		return "?"
	case health.GetHealthy():
		return "OK"
	default:
		return "Fail"
	}
}

// block is one service with its events, newest first. Lines beyond those of Talos are there only when they say something.
func (a *app) block(service *apiv1.Service) (rows [][]cell) {
	palette, health, now := a.paint(), healthWord(service), a.clock()

	add := func(name, text string, style lipgloss.Style) {
		row := plain(name, text)
		row[1].style = style
		rows = append(rows, row)
	}

	add("NODE", a.node, lipgloss.Style{})
	add("ID", service.GetId(), lipgloss.Style{})
	add("STATE", service.GetState(), palette.state(service.GetState()))
	add("HEALTH", health, palette.health(health))

	if message := service.GetHealth().GetLastMessage(); message != "" {
		add("LAST HEALTH MESSAGE", message, lipgloss.Style{})
	}

	if retry := service.GetNextRetry(); retry != nil {
		left := time.Duration(max(retry.GetBootNs()-now.bootNS, 0)).Round(time.Second)
		add("NEXT RETRY", fmt.Sprintf("in %s", left), lipgloss.Style{})
	}

	if problem := service.GetProblem(); problem != "" {
		add("PROBLEM", strings.TrimSpace(problem), palette.bad)
	}

	if problem := service.GetFileProblem(); problem != "" {
		add("FILE PROBLEM", problem+"; it goes on as it was", palette.bad)
	}

	if cycle := service.GetCycle(); len(cycle) > 0 {
		add("CYCLE", strings.Join(cycle, " -> "), palette.bad)
	}

	if service.GetRestartPending() {
		add("RESTART", "pending: the configuration has changed", palette.busy)
	}

	for i, line := range a.eventLines(service.GetEvents(), now) {
		name := ""
		if i == 0 {
			name = "EVENTS"
		}

		add(name, line, lipgloss.Style{})
	}

	return rows
}
