// Command program is what the containers of these tests run: it does what its arguments say, one after the other.
package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	terminate, proceed := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	signal.Notify(proceed, syscall.SIGUSR1)

	for words := os.Args[1:]; len(words) > 0; {
		word := words[0]
		words = words[1:]

		next := func() string {
			value := words[0]
			words = words[1:]

			return value
		}

		switch word {
		case "print": // TEXT
			fmt.Println(next())
		case "environment": // print the value of the variable NAME
			fmt.Println(os.Getenv(next()))
		case "file": // print the content of the file PATH
			content, err := os.ReadFile(next())
			must(err)
			fmt.Println(string(content))
		case "look": // print the content of the file PATH, or "nothing" where there is none
			look(next())
		case "mount": // an empty file system at the directory PATH
			must(syscall.Mount("tmpfs", next(), "tmpfs", 0, ""))
		case "reread": // print the content of the file PATH, and again at each SIGHUP, until SIGTERM, then exit 0
			path, reread := next(), make(chan os.Signal, 1)
			signal.Notify(reread, syscall.SIGHUP)

			for look(path); ; look(path) {
				select {
				case <-reread:
				case <-terminate:
					os.Exit(0)
				}
			}
		case "call": // the unix socket PATH, and hold the line whatever signals come, until the other side hangs up
			line, err := net.Dial("unix", next())
			must(err)
			_, _ = io.Copy(io.Discard, line)
		case "copy": // standard input to standard output
			_, err := io.Copy(os.Stdout, os.Stdin)
			must(err)
		case "terminal": // print its size, at each change too, until Ctrl-C; exit 7
			showTerminal()
		case "await": // SIGUSR1; SIGTERM: exit 0
			select {
			case <-proceed:
			case <-terminate:
				os.Exit(0)
			}
		case "flood": // print as fast as it goes, for ever
			for line := strings.Repeat("flood ", 1000); ; {
				fmt.Println(line)
			}
		case "numbers": // print 1, 2, 3, ... as fast as it goes, until SIGTERM, then exit 0
			numbers(terminate)
		case "count": // print 1, 2, 3, ... until SIGTERM, then exit 0
			count(terminate)
		case "exit": // CODE
			os.Exit(number(next()))
		case "exit-by": // PATH of a file with the code; 1 while there is none
			code, err := os.ReadFile(next())
			if err != nil {
				os.Exit(1)
			}

			os.Exit(number(strings.TrimSpace(string(code))))
		case "serve": // until SIGTERM, then exit 0
			<-terminate
			os.Exit(0)
		case "farewell": // until SIGTERM, then print TEXT and exit 0
			text := next()
			<-terminate
			fmt.Println(text)
			os.Exit(0)
		case "stubborn": // ignore SIGTERM, for ever
			for range terminate {
			}
		case "allocate": // MiB, and touch it
			memory := make([]byte, number(next())<<20)
			for index := 0; index < len(memory); index += 4096 {
				memory[index] = 1
			}

			fmt.Println(len(memory))
		case "burden": // have a child allocate MiB, and go on however it ends
			_ = exec.Command(os.Args[0], "allocate", next()).Run()
		case "detach": // leave a grandchild in a session of its own that holds the output and ignores SIGTERM
			child := process(os.Args[0], "beget")
			must(child.Run())
		case "beget": // a child, and end before it
			must(process(os.Args[0], "print", "detached", "stubborn").Start())
			os.Exit(0)
		case "crash":
			crash()
		default:
			must(fmt.Errorf("unknown word %q in %s", word, strings.Join(os.Args, " ")))
		}
	}
}

// process is one in a session of its own with the same output.
func process(path string, words ...string) *exec.Cmd {
	command := exec.Command(path, words...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}

	return command
}

func numbers(terminate <-chan os.Signal) {
	for line := 1; ; line++ {
		fmt.Printf("%099d\n", line)

		select {
		case <-terminate:
			os.Exit(0)
		default:
		}
	}
}

func count(terminate <-chan os.Signal) {
	pace := time.NewTicker(time.Millisecond)

	for line := 1; ; line++ {
		fmt.Println(line)

		select {
		case <-pace.C:
		case <-terminate:
			os.Exit(0)
		}
	}
}

func look(path string) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		content, err = []byte("nothing"), nil
	}

	must(err)
	fmt.Println(string(content))
}

func showTerminal() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGWINCH, syscall.SIGINT)

	shown := ""

	for {
		var size struct{ rows, columns, width, height uint16 }

		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, 1, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
			must(errno)
		}

		if now := fmt.Sprintf("size %dx%d", size.columns, size.rows); now != shown {
			shown = now
			fmt.Println(shown)
		}

		if <-signals == syscall.SIGINT {
			fmt.Println("interrupted")
			os.Exit(7)
		}
	}
}

// crash ends the process by SIGSEGV, as a program does that is not written in Go: with the kernel's own action.
func crash() {
	action := make([]byte, 32) // struct sigaction, all zero: SIG_DFL

	const maskSize = 8
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGSEGV),
		uintptr(unsafe.Pointer(&action[0])), 0, maskSize, 0, 0); errno != 0 {
		must(errno)
	}

	var nowhere *int

	*nowhere = 1 //nolint:staticcheck // it is meant to crash
}

func number(text string) int {
	number, err := strconv.Atoi(text)
	must(err)

	return number
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}
