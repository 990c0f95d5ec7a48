package watch

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/extactor/extactor/condition"
)

// slow is an observer whose looks last until they are let go.
type slow struct {
	begun    atomic.Int64
	released atomic.Int64
	letGo    chan condition.Fact
}

func (s *slow) observe(publish func(condition.Fact)) {
	s.begun.Add(1)
	publish(<-s.letGo)
}

func (s *slow) release() { s.released.Add(1) }

func TestSourceLooksOnceMoreForAllChangesDuringALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running sync.WaitGroup

		observer := &slow{letGo: make(chan condition.Fact)}
		source := &source{observer: observer, running: &running}
		f := &facts{t: t, more: make(chan struct{}, 1)}
		watch := &subscriber{push: f.push}

		expect := func(what string, begun int64, pushed int, released int64) {
			t.Helper()
			synctest.Wait()

			if observer.begun.Load() != begun || len(f.seen) != pushed || observer.released.Load() != released {
				t.Errorf("%s: %d looks, %d pushes, %d releases; want %d, %d, %d", what,
					observer.begun.Load(), len(f.seen), observer.released.Load(), begun, pushed, released)
			}
		}

		source.add(watch)
		expect("a look is under way", 1, 0, 0)
		source.look()
		source.look()
		source.look()
		expect("they wait for it", 1, 0, 0)

		observer.letGo <- condition.FileFact{}

		expect("they have become one", 2, 1, 0)

		observer.letGo <- condition.FileFact{}

		expect("the same fact is not pushed again", 2, 1, 0)

		source.lookAfter(time.Minute)
		source.lookAfter(time.Hour) // instead
		<-time.After(time.Hour - 1)
		expect("not yet", 2, 1, 0)
		<-time.After(1)
		expect("after an hour", 3, 1, 0)

		observer.letGo <- condition.FileFact{Exists: true}

		expect("another fact", 3, 2, 0)

		source.look()
		synctest.Wait()
		watch.stop()

		if !source.remove(watch) || source.remove(watch) {
			t.Error("the last watch is removed once")
		}

		source.lookAfter(time.Minute)
		source.end()
		expect("the look goes on", 4, 2, 0)

		observer.letGo <- condition.FileFact{}

		expect("nothing is pushed after stop, and what was taken is given back", 4, 2, 1)
		source.end()
		source.look()
		<-time.After(time.Hour)
		expect("nothing follows the end", 4, 2, 1)
	})
}
