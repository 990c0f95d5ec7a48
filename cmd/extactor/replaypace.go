package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// longestPause is how long a replay stands still at most, whatever the speed: nobody waits for a night to pass.
const longestPause = 5 * time.Second

// pace plays answers of the past as fast as is asked for. Its clock is that of the past, and goes as fast as it plays.
type pace struct {
	speed float64 // infinite: without pauses
	now   func() time.Time

	mu    sync.Mutex
	moved time.Time // when the last answer was shown
	at    clock     // the moment that it shows
	most  time.Duration
}

func newPace(speed float64, now func() time.Time) *pace { return &pace{speed: speed, now: now} }

// parseSpeed reads "20x".
func parseSpeed(text string) (float64, error) {
	if text == "max" {
		return math.Inf(1), nil
	}

	speed, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || !(speed > 0) || math.IsInf(speed, 0) {
		return 0, usageError{fmt.Errorf("--speed %q is not a speed; it is one like 20x or 0.5x, or max", text)}
	}

	return speed, nil
}

// pause is how long to wait until the next answer is due.
func (p *pace) pause(next *apiv1.Moment) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.moved.IsZero() || math.IsInf(p.speed, 1) {
		return 0
	}

	passed := next.GetWallNs() - p.at.wallNS
	if next.GetBootId() == p.at.bootID {
		passed = next.GetBootNs() - p.at.bootNS
	}

	due := time.Duration(min(float64(passed)/p.speed, float64(longestPause)))

	return max(due-p.now().Sub(p.moved), 0)
}

// show takes the moment that is shown from now on.
func (p *pace) show(at *apiv1.Moment) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.moved = p.now()
	p.at = clock{wallNS: at.GetWallNs(), bootNS: at.GetBootNs(), bootID: at.GetBootId()}
}

// limit keeps the clock from passing the next moment.
func (p *pace) limit(next *apiv1.Moment) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.most = time.Duration(max(next.GetWallNs()-p.at.wallNS, 0))
	if next.GetBootId() == p.at.bootID {
		p.most = time.Duration(max(next.GetBootNs()-p.at.bootNS, 0))
	}
}

// clock is that of the past.
func (p *pace) clock() clock {
	p.mu.Lock()
	defer p.mu.Unlock()

	at := p.at

	if !math.IsInf(p.speed, 1) && !p.moved.IsZero() {
		passed := min(float64(p.now().Sub(p.moved))*p.speed, float64(p.most))
		at.wallNS += int64(passed)
		at.bootNS += int64(passed)
	}

	return at
}

// next hands on what a stream yields when it is due.
func (p *pace) next(ctx context.Context, receive func() (*apiv1.StatusAtResponse, error)) func() (*apiv1.StatusResponse, error) {
	return func() (*apiv1.StatusResponse, error) {
		response, err := receive()
		if err != nil {
			return nil, err
		}

		at := response.GetStatus().GetNow()
		p.limit(at)

		if due := p.pause(at); due > 0 {
			timer := time.NewTimer(due)
			defer timer.Stop()

			select {
			case <-timer.C:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}

		p.show(at)

		return response.GetStatus(), nil
	}
}
