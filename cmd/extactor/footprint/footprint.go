// Package footprint keeps the long-lived processes small once they have started.
package footprint

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// settled is when nothing that runs only once still runs.
const settled = 5 * time.Second

// TrimOnceSettled trims the process a few seconds from now. The returned function takes that back.
func TrimOnceSettled() (cancel func() bool) {
	return time.AfterFunc(settled, func() { _ = Trim() }).Stop
}

// Trim gives back the memory that only the start of the process needed: free heap, and the pages of the program itself.
// Most of those were touched by the initialisation of linked packages and are never needed again; the others come back
// from the page cache by themselves. An error means that some memory stayed.
func Trim() error {
	debug.FreeOSMemory()

	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("cannot trim the process: %w", err)
	}
	defer maps.Close()

	executable, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("cannot trim the process: %w", err)
	}

	var problems []error

	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var (
			from, to uintptr
			mode     string
		)

		line := lines.Text()
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasSuffix(line, executable) {
			continue
		}

		// A page that was written to is not in the file.
		if strings.Contains(mode, "w") {
			continue
		}

		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED); errno != 0 {
			problems = append(problems, fmt.Errorf("cannot trim the process: %w", errno))
		}
	}

	return errors.Join(problems...)
}
