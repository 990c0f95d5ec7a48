package main

import (
	"time"

	"github.com/charmbracelet/lipgloss/tree"

	"github.com/extactor/extactor/api"
	apiv1 "github.com/extactor/extactor/api/v1"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/history"
)

// paragraph is what led to how a service was, for people.
func paragraph(why *apiv1.WhyResponse) string { return api.Explanation(why).Text(wordMoment(why)) }

// wordMoment words the moments of an explanation in UTC: in full the first one, and those of other days.
func wordMoment(why *apiv1.WhyResponse) func(events.Moment) string {
	about, first := time.Unix(0, why.GetAt().GetWallNs()).UTC(), true

	return func(at events.Moment) string {
		moment := time.Unix(0, at.WallNS).UTC()

		if first || moment.Format(time.DateOnly) != about.Format(time.DateOnly) {
			first = false

			return moment.Format("2006-01-02T15:04:05Z07:00")
		}

		return moment.Format(time.TimeOnly)
	}
}

// causeTree is a cause with what led to it below.
func causeTree(cause *history.Cause, clock func(events.Moment) string) *tree.Tree {
	branch := tree.Root(oneLine(cause.Sentence(clock)))
	for _, because := range cause.Because {
		branch.Child(causeTree(because, clock))
	}

	return branch
}

// whyDocument is `extactor explain --at -o json`.
type whyDocument struct {
	APIVersion string        `json:"apiVersion"`
	ID         string        `json:"id"`
	State      string        `json:"state"`
	Seq        uint64        `json:"seq"` // of the newest event that counts
	At         *string       `json:"at"`
	Text       string        `json:"text"`
	Cause      causeDocument `json:"cause"`
}

type causeDocument struct {
	Seq     uint64          `json:"seq"` // 0 where several events say it
	Service string          `json:"service"`
	Text    string          `json:"text"`
	Then    string          `json:"then"`
	At      *string         `json:"at"`
	Lasting bool            `json:"lasting"` // it was so from then on
	Because []causeDocument `json:"because"`
}

func whyOf(why *apiv1.WhyResponse) whyDocument {
	return whyDocument{
		APIVersion: apiVersion, ID: why.GetId(), State: why.GetState(), Seq: why.GetSeq(), At: optionalTime(why.GetAt()),
		Text: paragraph(why), Cause: causeDocumentOf(why.GetCause()),
	}
}

func causeDocumentOf(cause *apiv1.Cause) causeDocument {
	document := causeDocument{
		Seq: cause.GetSeq(), Service: cause.GetService(), Text: cause.GetText(), Then: cause.GetThen(),
		At: optionalTime(cause.GetAt()), Lasting: cause.GetLasting(), Because: make([]causeDocument, 0, len(cause.GetBecause())),
	}
	for _, because := range cause.GetBecause() {
		document.Because = append(document.Because, causeDocumentOf(because))
	}

	return document
}
