package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// A file that is not used any more, or again, is a change as any other.
func TestChangedFiles(t *testing.T) {
	before := []*apiv1.RejectedFile{{File: "same.yaml", Positions: []string{"1:1"}}, {File: "mended.yaml", Positions: []string{"2:3", "4:5"}}, {File: "other.yaml", Positions: []string{"1:1"}}}
	after := []*apiv1.RejectedFile{{File: "same.yaml", Positions: []string{"1:1"}}, {File: "broken.yaml", Positions: []string{"6:7"}}, {File: "other.yaml", Positions: []string{"9:9"}}}
	want := []changeDocument{
		{Field: "file broken.yaml", After: "skipped: 6:7"},
		{Field: "file other.yaml", Before: "skipped: 1:1", After: "skipped: 9:9"},
		{Field: "file mended.yaml", Before: "skipped: 2:3, 4:5"},
	}

	if diff := cmp.Diff(want, filesChanged(before, after)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
