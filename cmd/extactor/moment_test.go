package main

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	apiv1 "github.com/extactor/extactor/api/v1"
)

func TestMoments(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.FixedZone("here", 3600))

	for text, want := range map[string]*apiv1.Point{
		"17":                             {Kind: &apiv1.Point_Seq{Seq: 17}},
		"-10m":                           {Kind: &apiv1.Point_AgoNs{AgoNs: int64(10 * time.Minute)}},
		"0s":                             {Kind: &apiv1.Point_AgoNs{}},
		"boot:-1":                        {Kind: &apiv1.Point_Boot{Boot: "-1"}},
		"boot:0":                         {Kind: &apiv1.Point_Boot{Boot: "0"}},
		"2026-03-04T10:02:11Z":           wallPoint(time.Date(2026, 3, 4, 10, 2, 11, 0, time.UTC)),
		"2026-03-04T10:02:11.5+02:00":    wallPoint(time.Date(2026, 3, 4, 8, 2, 11, 5e8, time.UTC)),
		"2026-03-04T10:02:11":            wallPoint(time.Date(2026, 3, 4, 9, 2, 11, 0, time.UTC)),
		"2026-03-04 10:02:11":            wallPoint(time.Date(2026, 3, 4, 9, 2, 11, 0, time.UTC)),
		"2026-03-04":                     wallPoint(time.Date(2026, 3, 3, 23, 0, 0, 0, time.UTC)),
		"10:02:11":                       wallPoint(time.Date(2026, 3, 4, 9, 2, 11, 0, time.UTC)),
		"10:02":                          wallPoint(time.Date(2026, 3, 4, 9, 2, 0, 0, time.UTC)),
		"9999-12-31":                     {Kind: &apiv1.Point_WallNs{WallNs: math.MaxInt64}}, // as late as can be said
		"0001-01-01":                     {Kind: &apiv1.Point_WallNs{}},
		"2026-03-04T10:02:11.123456789Z": wallPoint(time.Date(2026, 3, 4, 10, 2, 11, 123456789, time.UTC)),
	} {
		got, err := parseMoment(text, now)
		if diff := cmp.Diff(want, got, protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}

	for _, text := range []string{"", "0", "-1", "10m", "boot:", "yesterday", "25:00:00", "2026-13-01", "99999999999999999999"} {
		var usage usageError
		if got, err := parseMoment(text, now); !errors.As(err, &usage) {
			t.Errorf("%q is taken for %v, %v", text, got, err)
		}
	}
}
