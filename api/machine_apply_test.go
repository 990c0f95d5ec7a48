package api

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/extactor/extactor/spec"
)

// auto is what Talos's client asks for if it is told nothing else; 0 is REBOOT.
const auto = machine.ApplyConfigurationRequest_AUTO

// nutDocument is the document that nutClient has read, but for what the words put in their place.
func nutDocument(words ...string) []byte {
	return []byte(strings.NewReplacer(words...).Replace(`apiVersion: v1alpha1
kind: ExtensionServiceConfig
name: nut-client
configFiles:
  - content: MONITOR password
    mountPath: /etc/upsmon.conf
environment:
  - NUT_UPS=sec=ret
  - EMPTY=
`))
}

func TestApplyConfiguration(t *testing.T) {
	h := start(t, newServices(), newJournal())

	for _, mode := range []machine.ApplyConfigurationRequest_Mode{auto, machine.ApplyConfigurationRequest_NO_REBOOT} {
		got := must[*machine.ApplyConfigurationResponse](t)(h.Machine.ApplyConfiguration(t.Context(), &machine.ApplyConfigurationRequest{
			Data: nutDocument("name:", "more: secret\nname:"), Mode: mode,
		}))
		equal(t, "answer", got, &machine.ApplyConfigurationResponse{Messages: []*machine.ApplyConfiguration{{
			Mode:        machine.ApplyConfigurationRequest_NO_REBOOT,
			ModeDetails: "Applied configuration without a reboot\nExtensionServiceConfig \"nut-client\": created",
			Warnings: []string{"configuration:3:1: warning: unknown field [hidden] in an ExtensionServiceConfig: " +
				"allowed are apiVersion, kind, name, configFiles, environment"},
		}}})
	}

	if len(h.host.asked) != 4 || h.host.asked[0] != "configuration" {
		t.Errorf("asked was %q", h.host.asked)
	}

	h.host.err = errors.New("the disk is full")
	_, err := h.Machine.ApplyConfiguration(t.Context(), &machine.ApplyConfigurationRequest{Data: nutDocument(), Mode: auto})
	wantStatus(t, err, codes.Internal, "the disk is full")

	h.host.err, h.host.problems = nil, spec.Problems{oneProblem}
	_, err = h.Machine.ApplyConfiguration(t.Context(), &machine.ApplyConfigurationRequest{Data: nutDocument(), Mode: auto})
	wantStatus(t, err, codes.InvalidArgument, "in\uFFFDput:3:7: bad\n  3 | a: \uFFFD\n    |     ^")
}

// A dry run tells by name what would change, never a value, and applies nothing.
func TestDryRun(t *testing.T) {
	h := start(t, newServices(), newJournal())
	h.host.configs = []*spec.Config{nutClient()}

	const before = "Dry run summary:\nApplied configuration without a reboot (skipped in dry-run).\n"

	for name, row := range map[string]struct {
		data []byte
		want string
	}{
		"nothing": {nutDocument(), "No changes."},
		"each kind of change": {
			nutDocument("sec=ret", "other", "EMPTY=", "NEW=x", "password", "other"),
			"Config diff:\n\nExtensionServiceConfig \"nut-client\": changed\n  - environment EMPTY\n  + environment NEW\n  ~ environment NUT_UPS\n" +
				"  ~ file /etc/upsmon.conf\n",
		},
		"another path": {
			nutDocument("upsmon", "ups"),
			"Config diff:\n\nExtensionServiceConfig \"nut-client\": changed\n  + file /etc/ups.conf\n  - file /etc/upsmon.conf\n",
		},
		"the order": {
			nutDocument("NUT_UPS=sec=ret", "EMPTY=", "EMPTY=", "NUT_UPS=sec=ret"),
			"Config diff:\n\nExtensionServiceConfig \"nut-client\": changed\n  ~ order\n",
		},
		"one that is new, one that is not": {
			append(nutDocument("nut-client", "other", "  - EMPTY=\n", "---\n"), nutDocument()...),
			"Config diff:\n\nExtensionServiceConfig \"other\": created\n  + environment NUT_UPS\n  + file /etc/upsmon.conf\n",
		},
	} {
		got := must[*machine.ApplyConfigurationResponse](t)(h.Machine.ApplyConfiguration(t.Context(), &machine.ApplyConfigurationRequest{Data: row.data, Mode: auto, DryRun: true}))
		equal(t, name, got, &machine.ApplyConfigurationResponse{Messages: []*machine.ApplyConfiguration{{
			Mode: machine.ApplyConfigurationRequest_NO_REBOOT, ModeDetails: before + row.want,
		}}})
	}

	if len(h.host.asked) > 0 {
		t.Errorf("a dry run applied %q", h.host.asked)
	}
}

// What is refused is refused as a whole, before anybody is asked to store it.
func TestApplyConfigurationRefuses(t *testing.T) {
	h := start(t, newServices(), newJournal())

	for _, row := range []struct {
		data    string
		mode    machine.ApplyConfigurationRequest_Mode
		message string
	}{
		{"", auto, ""},
		{"# nothing\n---\n", auto, "the configuration has no document; an ExtensionServiceConfig is expected"},
		{string(nutDocument()) + "---\nkind: MachineConfig\n", auto, `configuration:11:7: kind "MachineConfig" is not known: only ExtensionServiceConfig is applied here`},
		{
			"version: v1alpha1\nmachine:\n  token: secret\ncluster: {}\n", auto,
			"configuration:1:1: this is a machine configuration of Talos (machine, cluster): only ExtensionServiceConfig is applied here",
		},
		{string(nutDocument("name: nut-client", "name: NUT")), auto, ""},
		{
			string(nutDocument()), machine.ApplyConfigurationRequest_REBOOT,
			"mode REBOOT is not possible: extactor does not restart its host; possible are AUTO and NO_REBOOT",
		},
		{
			string(nutDocument()), machine.ApplyConfigurationRequest_STAGED,
			"mode STAGED is not possible: a document takes effect at once, and does not wait for a restart of the host; possible are AUTO and NO_REBOOT",
		},
		{
			string(nutDocument()), machine.ApplyConfigurationRequest_TRY,
			"mode TRY is not possible: a document that was applied is not taken back; a dry run shows what it would change; possible are AUTO and NO_REBOOT",
		},
		{string(nutDocument()), -7, "mode -7 is not possible: it is unknown; possible are AUTO and NO_REBOOT"},
		{strings.Repeat("[", 1<<20), auto, ""},
		{strings.Repeat("&a [*a, ", 1<<17), auto, ""},
		{strings.Repeat("---\n", 1<<18), auto, "the configuration has no document; an ExtensionServiceConfig is expected"},
		{garbage(1 << 20), auto, ""},
		{garbage(1<<20 + 1), auto, "configuration: the file is larger than 1048576 bytes, which is the most that is allowed"},
	} {
		for _, dry := range []bool{false, true} {
			if dry && len(row.data) > 1<<16 {
				continue // it takes long, and what reads it is the same
			}

			_, err := h.Machine.ApplyConfiguration(t.Context(), &machine.ApplyConfigurationRequest{Data: []byte(row.data), Mode: row.mode, DryRun: dry})
			if row.message != "" {
				wantStatus(t, err, codes.InvalidArgument, row.message)
			} else if status.Code(err) != codes.InvalidArgument || strings.Contains(err.Error(), "secret") {
				t.Errorf("%.100q: %v", row.data, err)
			}
		}
	}

	if len(h.host.asked) > 0 {
		t.Errorf("asked was %.100q", h.host.asked)
	}
}

// garbage are bytes as they come.
func garbage(size int) string {
	chance, bytes := rand.NewChaCha8([32]byte{}), make([]byte, size)
	_, _ = chance.Read(bytes)

	return string(bytes)
}
