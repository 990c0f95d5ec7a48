package daemon_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	chainLength = 20
	// The one in the middle of one chain ignores SIGTERM. Another chain stands beside it.
	chainStubborn = 10
	stopTimeout   = 5 * time.Second
)

// A service that ignores SIGTERM delays, at shutdown, only those that it depends on, and by its own timeout: they may
// have to serve it until it has ended.
func TestChainWithAStubbornService(t *testing.T) {
	t.Parallel()

	h := newHost(t)
	for index := range chainLength {
		for _, chain := range []string{"link", "other"} {
			rest, words := "restart: always\n", []string{"print", "ready", "serve"}
			if index > 0 {
				rest += fmt.Sprintf("depends: [{service: ext-%s%d}]\n", chain, index-1)
			}

			if chain == "link" && index == chainStubborn {
				rest += fmt.Sprintf("extactor: {stop: {timeout: %v}}\n", stopTimeout)
				words = []string{"print", "ready", "stubborn"}
			}

			h.service(fmt.Sprintf("%s%d", chain, index), rest, words...)
		}
	}

	d := h.start()
	for index := range chainLength {
		for _, chain := range []string{"link", "other"} {
			id := fmt.Sprintf("ext-%s%d", chain, index)
			d.started(t, 0, id)
			h.printed(id, "ready") // it has a handler for SIGTERM
		}
	}

	before := d.now(t)
	if status := h.end(unix.SIGTERM); status.ExitStatus() != 0 {
		t.Errorf("the daemon ended with %v", status)
	}

	// The next daemon tells the story: the one that wrote it is gone.
	d = h.start()
	asked, ended := map[string][]*record{}, map[string][]*record{}

	for _, chain := range []string{"link", "other"} {
		for index := range chainLength {
			id := fmt.Sprintf("ext-%s%d", chain, index)
			asked[chain] = append(asked[chain], d.event(t, before, id, "Sending SIGTERM .*"))
			ended[chain] = append(ended[chain], d.event(t, before, id, "Task .* (exited without error|was ended by .*)"))
		}
	}

	for _, chain := range []string{"link", "other"} {
		for index := range chainLength - 1 {
			if asked[chain][index].GetSeq() < ended[chain][index+1].GetSeq() {
				t.Errorf("%s%d was asked to end while %s%d, which depends on it, had not ended", chain, index, chain, index+1)
			}
		}
	}

	stubborn := d.event(t, before, fmt.Sprintf("ext-link%d", chainStubborn), "Sending SIGKILL .*")
	at := func(one *record) int64 { return one.GetAt().GetBootNs() }

	waited := time.Duration(at(stubborn) - at(asked["link"][chainStubborn]))
	t.Logf("the stubborn one was killed %v after it was asked; those that depend on it took %v, those that it depends on %v, "+
		"the other chain %v", waited,
		time.Duration(at(ended["link"][chainStubborn+1])-at(asked["link"][chainLength-1])),
		time.Duration(at(ended["link"][0])-at(asked["link"][chainStubborn-1])),
		time.Duration(at(ended["other"][0])-at(asked["other"][chainLength-1])))

	if waited < stopTimeout {
		t.Errorf("it was killed %v after it was asked to end, before its timeout", waited)
	}

	checkOnlyDelayed(t, asked, ended, stubborn)
}

// checkOnlyDelayed demands that what the stubborn service depends on waited until it was killed, and nobody else.
func checkOnlyDelayed(t *testing.T, asked, ended map[string][]*record, stubborn *record) {
	t.Helper()

	for index := range chainLength {
		one, seq := fmt.Sprintf("link%d", index), stubborn.GetSeq()

		switch {
		case index > chainStubborn && ended["link"][index].GetSeq() > seq:
			t.Errorf("%s depends on the stubborn service, and ended after it was killed", one)
		case index < chainStubborn && asked["link"][index].GetSeq() < seq:
			t.Errorf("the stubborn service depends on %s, which was asked to end before that was killed", one)
		}
	}

	// The other chain goes on while the stubborn service is waited for, unless it has come to its end before.
	begin, end := asked["link"][chainStubborn].GetSeq(), stubborn.GetSeq()
	meanwhile := slices.ContainsFunc(ended["other"], func(one *record) bool { return one.GetSeq() > begin && one.GetSeq() < end })

	if !meanwhile && ended["other"][0].GetSeq() > begin {
		t.Error("the other chain waited for the stubborn service")
	}
}
