package daemon_test

import (
	"os"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Talos's client applies documents: with all that is right, services start with them; with one that is wrong, nothing is
// done. A dry run does nothing either, and shows no value.
func TestTalosApply(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	h.service("fed", "restart: always\ndepends: [{configuration: true}]", "environment", "WORD", "serve")

	d := h.start()
	d.event(t, 0, "ext-fed", `Waiting for extension service config`)

	read := func(paths ...string) []byte {
		var documents []string

		for _, path := range paths {
			text, err := os.ReadFile(path)
			must(t, err)

			documents = append(documents, string(text))
		}

		return []byte(strings.Join(documents, "---\n"))
	}

	apply := func(data []byte, dry bool) (*machine.ApplyConfigurationResponse, error) {
		return d.client.Machine.ApplyConfiguration(t.Context(), &machine.ApplyConfigurationRequest{
			Data: data, Mode: machine.ApplyConfigurationRequest_AUTO, DryRun: dry,
		})
	}

	first := read(h.document("fed", "first", "content1"), h.document("other", "word", "content"))
	wrong := append(first, "---\nversion: v1alpha1\nmachine: {type: worker}\n"...)

	for _, dry := range []bool{true, false} {
		if _, err := apply(wrong, dry); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "machine configuration of Talos") {
			t.Errorf("with a machine configuration: %v", err)
		}
	}

	answer, err := apply(first, true)
	must(t, err)
	equalText(t, answer.GetMessages()[0].GetModeDetails(), "Dry run summary:\nApplied configuration without a reboot (skipped in dry-run).\n"+
		"Config diff:\n\nExtensionServiceConfig \"fed\": created\n  + environment WORD\n  + file /word\n"+
		"\nExtensionServiceConfig \"other\": created\n  + environment WORD\n  + file /word\n")
	matches(t, "documents", h.cli("config", "list").done(t), "NAME.*\n")

	answer, err = apply(first, false)
	must(t, err)
	equalText(t, answer.GetMessages()[0].GetModeDetails(),
		"Applied configuration without a reboot\nExtensionServiceConfig \"fed\": created\nExtensionServiceConfig \"other\": created")
	started := d.started(t, 0, "ext-fed")
	h.printed("ext-fed", "first")

	// Only what is given changes.
	second := read(h.document("fed", "second", "content1"))
	answer, err = apply(second, true)
	must(t, err)
	matches(t, "the difference", answer.GetMessages()[0].GetModeDetails(), `(?s).*"fed": changed\n  ~ environment WORD\n`)

	_, err = apply(second, false)
	must(t, err)
	d.started(t, started.GetSeq(), "ext-fed")
	h.printed("ext-fed", "second")
	matches(t, "documents", h.cli("config", "list").done(t), `(?s)NAME.*\nfed .*\nother .*\n`)

	answer, err = apply(second, true)
	must(t, err)
	matches(t, "nothing new", answer.GetMessages()[0].GetModeDetails(), `(?s).*\nNo changes\.`)
}
