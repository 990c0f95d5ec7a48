package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/lipgloss/tree"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
)

func (a *app) explainCommand() *cobra.Command {
	var output, at string

	command := &cobra.Command{
		Use:   "explain ID",
		Short: "Tell why a service is not up, or was not",
		Long: "Tell why a service is not up: everything that it depends on, met or not, since when, and what would " +
			"satisfy it, down to the root cause; and what led there, as it is recorded. With --at: why it was as it was then.\n\n" +
			"A moment is " + momentHelp + ".",
		Example:           "  extactor explain storage\n  extactor explain storage --at -10m",
		SuggestFor:        []string{"why"},
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeIDs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if output != outputTable && output != outputJSON {
				return usageError{fmt.Errorf("-o %q is not known; it is table or json", output)}
			}

			request := &apiv1.WhyRequest{Id: args[0]}
			if at == "" {
				return a.explainNow(command.Context(), request, output)
			}

			var err error
			if request.At, err = pointOf("--at", at); err != nil {
				return err
			}

			return a.explainThen(command.Context(), request, output)
		},
	}
	command.Flags().StringVarP(&output, "output", "o", outputTable, "table, or json")
	command.Flags().StringVar(&at, "at", "", "how it was at a moment of the past")
	completeOutput(command, outputTable, outputJSON)

	return a.asksPast(command)
}

// explainNow tells what keeps a service from being up, and then how that came to be.
func (a *app) explainNow(ctx context.Context, request *apiv1.WhyRequest, output string) error {
	return a.ask(func(client *api.Client) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()

		response, err := client.Extactor.Explain(ctx, &apiv1.ExplainRequest{Id: request.GetId()})
		if err != nil {
			return err
		}

		a.clockOf(response.GetNow())

		// What keeps it from being up is told also where the journal cannot be asked.
		why, err := client.Extactor.Why(ctx, request)

		switch status.Code(err) {
		case codes.OK:
		case codes.Unimplemented, codes.NotFound: // an older daemon, or a service of which nothing is recorded yet
			why = nil
		default:
			why = nil

			fmt.Fprintf(a.stderr, "extactor: how it came to be is not known: %v\n", client.Explain(err))
		}

		if output == outputJSON {
			document := explanationOf(response)
			if why != nil {
				led := whyOf(why)
				document.Why = &led
			}

			return writeJSON(a.stdout, document, "  ")
		}

		a.showReasons(response)

		if why != nil {
			fmt.Fprintf(a.stdout, "how it came to be: %s\n", oneLine(paragraph(why)))
		}

		return nil
	})
}

// explainThen tells why a service was as it was.
func (a *app) explainThen(ctx context.Context, request *apiv1.WhyRequest, output string) error {
	return a.ask(func(client *api.Client) error {
		why, err := client.Extactor.Why(ctx, request)
		if err != nil {
			return err
		}

		a.warnOfDeleted(ctx, client, why.GetSeq())

		if output == outputJSON {
			return writeJSON(a.stdout, whyOf(why), "  ")
		}

		fmt.Fprintln(a.stdout, oneLine(paragraph(why)))
		fmt.Fprintln(a.stdout, causeTree(api.Explanation(why).Cause, wordMoment(why)))

		return nil
	})
}

func (a *app) showReasons(response *apiv1.ExplainResponse) {
	fmt.Fprintln(a.stdout, a.reasonTree(response.GetReason(), true))

	for _, cause := range response.GetRootCauses() {
		fmt.Fprintf(a.stdout, "root cause: %s\n", oneLine(cause))
	}

	if len(response.GetRootCauses()) == 0 {
		fmt.Fprintf(a.stdout, "%s is up\n", oneLine(response.GetReason().GetText()))
	}
}

// reasonTree is a reason with those below it; the service itself is neither met nor unmet.
func (a *app) reasonTree(reason *apiv1.Reason, root bool) *tree.Tree {
	palette, now := a.paint(), a.clock()

	word := palette.bad.Render("not met: ")
	if reason.GetMet() {
		word = palette.good.Render("met: ")
	}

	if root {
		word = ""
	}

	text := oneLine(reason.GetText())
	if since := reason.GetSince(); since != nil {
		text += fmt.Sprintf(" (%s)", strings.TrimSuffix(now.ago(since), " ago"))
	}

	var rest []string

	for _, part := range []string{reason.GetWhy(), reason.GetRemedy()} {
		if part != "" {
			rest = append(rest, oneLine(part))
		}
	}

	if len(rest) > 0 {
		text += ": " + strings.Join(rest, "; ")
	}

	branch := tree.Root(word + text)
	for _, because := range reason.GetBecause() {
		branch.Child(a.reasonTree(because, false))
	}

	return branch
}

// explanationDocument is `extactor explain -o json`.
type explanationDocument struct {
	APIVersion string         `json:"apiVersion"`
	RootCauses []string       `json:"rootCauses"`
	Reason     reasonDocument `json:"reason"`
	Why        *whyDocument   `json:"why,omitempty"` // what led there, where that is recorded
}

type reasonDocument struct {
	Key     string           `json:"key"`
	Text    string           `json:"text"`
	Met     bool             `json:"met"`
	Since   *string          `json:"since"`
	Why     string           `json:"why"`
	Remedy  string           `json:"remedy"`
	Because []reasonDocument `json:"because"`
}

func explanationOf(response *apiv1.ExplainResponse) explanationDocument {
	return explanationDocument{
		APIVersion: apiVersion, RootCauses: append([]string{}, response.GetRootCauses()...), Reason: reasonOf(response.GetReason()),
	}
}

func reasonOf(reason *apiv1.Reason) reasonDocument {
	document := reasonDocument{
		Key: reason.GetKey(), Text: reason.GetText(), Met: reason.GetMet(), Since: optionalTime(reason.GetSince()),
		Why: reason.GetWhy(), Remedy: reason.GetRemedy(), Because: make([]reasonDocument, 0, len(reason.GetBecause())),
	}

	for _, because := range reason.GetBecause() {
		document.Because = append(document.Because, reasonOf(because))
	}

	return document
}
