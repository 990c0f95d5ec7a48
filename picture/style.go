package picture

import (
	"fmt"
	"strings"

	"github.com/extactor/extactor/events"
)

// Phase is what a service does as a picture shows it: its state, with two of them split.
type Phase string

// The phases that are not simply the state.
const (
	PhaseRetry   Phase = "Retrying"  // Waiting for the next try after a failure
	PhaseHealth  Phase = "Unhealthy" // Running, and its health check does not say that it is healthy
	PhaseUnmet   Phase = "Unmet"     // of a condition
	PhaseMet     Phase = "Met"       // of a condition
	phaseUnknown Phase = "Unknown"   // a service that nobody knows
)

// colour is one rule of the style in light and in dark.
type colour struct{ class, property, light, dark string }

// colours are all there are. Ink stands on ground or panel and reaches a contrast of 4.5 on both; a test computes it.
var colours = []colour{
	{"ground", "fill", "#ffffff", "#14171c"},
	{"panel", "fill", "#f4f6f9", "#1b2028"},
	{"frame", "stroke", "#b9c2cf", "#465062"},
	{"grid", "stroke", "#dde2e9", "#2b323d"},
	{"ink", "fill", "#1b2330", "#e7eaef"},
	{"muted", "fill", "#525d70", "#a6b0c0"},
	{"accent", "fill", "#a8136f", "#ff80cc"},
	{"accent-line", "stroke", "#c0187f", "#ff6ac1"},
	{"bad", "fill", "#b41d1d", "#ff8080"},
	{"bad-line", "stroke", "#cf2929", "#ff6464"},
	{"warn", "fill", "#944200", "#ffad5c"},
	{"warn-line", "stroke", "#d06a00", "#ffa040"},
	{"calm-line", "stroke", "#9aa6b8", "#5d6a7e"},
	{"wait-line", "stroke", "#3c4860", "#c9d2e0"},
	{"good-line", "stroke", "#2f8f57", "#4fc183"},
	{phaseClass(events.StateInitialized), "fill", "#dfe3ea", "#333b47"},
	{phaseClass(events.StateWaiting), "fill", "#c3ccd9", "#475366"},
	{phaseClass(PhaseRetry), "fill", "#f0b23e", "#c58a20"},
	{phaseClass(events.StatePreparing), "fill", "#2f74d0", "#5a9cf5"},
	{phaseClass(events.StateRunning), "fill", "#9fd8b3", "#2f7a4d"},
	{phaseClass(PhaseHealth), "fill", "#dcd04e", "#8d8526"},
	{phaseClass(events.StateStopping), "fill", "#a68cd8", "#8468c0"},
	{phaseClass(events.StateFinished), "fill", "#7fa5b0", "#4b7684"},
	{phaseClass(events.StateFailed), "fill", "#d64545", "#e05252"},
	{phaseClass(events.StateSkipped), "fill", "#e9e6df", "#3a3832"},
	{phaseClass(PhaseUnmet), "fill", "#f2c48f", "#8f5a1c"},
	{phaseClass(PhaseMet), "fill", "#cfe3ee", "#2c4a5c"},
	{phaseClass(phaseUnknown), "fill", "#f5b5b5", "#7a2f2f"},
}

const plainStyle = `text{font-family:system-ui,-apple-system,"Segoe UI","Noto Sans","DejaVu Sans",sans-serif;font-size:12px}
.title{font-size:18px;font-weight:600}
.small{font-size:11px}
.tiny{font-size:10px}
.strong{font-weight:600}
.grid,.frame,.accent-line,.bad-line,.warn-line,.calm-line,.good-line,.wait-line{fill:none}
.grid,.frame,.calm-line,.wait-line{stroke-width:1}
.good-line{stroke-width:1.8}
.accent-line,.bad-line,.warn-line{stroke-width:2}
.warn-line,.dashed{stroke-dasharray:6 3}
.solid{stroke-dasharray:none}
.faint{opacity:.35}
`

// style is the sheet of every picture. Its selectors hold within a picture only, so that many fit into one page.
func style() string {
	var sheet strings.Builder

	for _, line := range strings.SplitAfter(plainStyle, "\n") {
		if line != "" {
			selectors, rest, _ := strings.Cut(line, "{")
			sheet.WriteString(within(selectors) + "{" + rest)
		}
	}

	sheet.WriteString(".extactor-picture{color-scheme:light dark}\n")

	for _, colour := range colours {
		fmt.Fprintf(&sheet, "%s{%s:%s}\n", within("."+colour.class), colour.property, colour.light)
	}

	sheet.WriteString("@media (prefers-color-scheme:dark){\n")

	for _, colour := range colours {
		fmt.Fprintf(&sheet, "%s{%s:%s}\n", within("."+colour.class), colour.property, colour.dark)
	}

	sheet.WriteString("}\n")

	return sheet.String()
}

func within(selectors string) string {
	parts := strings.Split(selectors, ",")
	for i, part := range parts {
		parts[i] = ".extactor-picture " + part
	}

	return strings.Join(parts, ",")
}

// phaseClass is the class of a phase; one that a newer daemon may have is drawn as Initialized.
func phaseClass(phase Phase) string {
	switch phase {
	case events.StateInitialized, events.StateWaiting, events.StatePreparing, events.StateRunning, events.StateStopping, events.StateFinished,
		events.StateFailed, events.StateSkipped, PhaseRetry, PhaseHealth, PhaseUnmet, PhaseMet, phaseUnknown:
		return "is-" + strings.ToLower(string(phase))
	default:
		return "is-initialized"
	}
}

// Palette is the colours of all pictures as custom properties of CSS, in light and in dark: "--ink:#1b2330;".
func Palette() (light, dark string) {
	for _, colour := range colours {
		light += "--" + colour.class + ":" + colour.light + ";"
		dark += "--" + colour.class + ":" + colour.dark + ";"
	}

	return light, dark
}
