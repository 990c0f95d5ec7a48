// Command service is what the containers of the fault campaign run. It numbers the lines that it prints, counts those
// that were taken in a file of the host, and writes down there with which code it is about to exit, before it does.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// mark is the file of one attempt, shared with the test by mmap: a store into it survives the death of the process.
type mark struct {
	lines atomic.Uint64 // taken by the pipe
	exit  atomic.Uint64 // 0 while it is not about to exit, else 1 and the code
}

func main() {
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)

	pause := flag.Duration("pause", 10*time.Millisecond, "between bursts of lines")
	burst := flag.Int("burst", 1, "lines in a burst")
	life := flag.Duration("life", 0, "lives about so long; 0: for ever")
	code := flag.Int("code", 0, "exits with this code, or one of the next few; 0: with 0")
	successes := flag.Uint64("successes", 0, "every so manieth attempt exits with code 0")
	flag.Parse()

	attempt := attemptOfRootfs()
	random := rand.New(rand.NewPCG(attempt, uint64(*code)))
	mark := begin(attempt)

	end := func(code int) {
		mark.exit.Store(1 + uint64(code))
		os.Exit(code)
	}

	var ending <-chan time.Time
	if *life > 0 {
		ending = time.After(*life/2 + time.Duration(random.Int64N(int64(*life))))
	}

	for number := uint64(1); ; {
		for range *burst {
			line(attempt, number)
			mark.lines.Store(number)
			number++
		}

		select {
		case <-time.After(*pause):
		case <-terminate:
			end(0)
		case <-ending:
			if *code == 0 || *successes > 0 && attempt%*successes == 0 {
				end(0)
			}

			end(*code + random.IntN(5))
		}
	}
}

// line prints one line in one call.
func line(attempt, number uint64) {
	text := fmt.Sprintf("#%d.%d;%s\n", attempt, number, strings.Repeat("-", int(number%40)))
	if _, err := os.Stdout.WriteString(text); err != nil {
		os.Exit(98)
	}
}

var upper = regexp.MustCompile(`upperdir=[^,]*\.(\d+)/upper`)

// attemptOfRootfs reads the number of this attempt from the path of the writable layer.
func attemptOfRootfs() uint64 {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(err)

	found := upper.FindSubmatch(mounts)
	if found == nil {
		must(errors.New("no overlay is mounted"))
	}

	attempt, err := strconv.ParseUint(string(found[1]), 10, 64)
	must(err)

	return attempt
}

// begin makes the file of the attempt. One that is there already means that the attempt was started twice.
func begin(attempt uint64) *mark {
	path := filepath.Join("/marks", strconv.FormatUint(attempt, 10))

	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		must(os.WriteFile(path+".twice", nil, 0o600))
	}

	must(err)
	must(file.Truncate(int64(unsafe.Sizeof(mark{}))))

	memory, err := syscall.Mmap(int(file.Fd()), 0, int(unsafe.Sizeof(mark{})), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	must(err)

	return (*mark)(unsafe.Pointer(&memory[0]))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}
