// Command program is what the containers of these tests run: it does what its arguments say, one after the other.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)

	hangup, resized := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	signal.Notify(resized, syscall.SIGWINCH)

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
		case "spam": // N lines
			spam(next())
		case "exit": // CODE
			os.Exit(atoi(next()))
		case "serve": // until SIGTERM, then exit 0
			<-terminate
			os.Exit(0)
		case "stubborn": // ignore SIGTERM, for ever
			for range terminate {
			}
		case "fork": // leave a child in a session of its own that ignores SIGTERM
			child := exec.Command(os.Args[0], "stubborn")
			child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			must(child.Start())
		case "allocate": // MiB, and touch it, once SIGTERM comes
			<-terminate

			memory := make([]byte, atoi(next())<<20)
			for index := 0; index < len(memory); index += 4096 {
				memory[index] = 1
			}

			fmt.Println(len(memory))
		case "warn": // TEXT, on the other output
			fmt.Fprintln(os.Stderr, next())
		case "read": // PATH, and print it
			content, err := os.ReadFile(next())
			must(err)
			fmt.Println(string(content))
		case "hangup": // wait for SIGHUP
			<-hangup
		case "copy": // input to output, until its end
			_, err := io.Copy(os.Stdout, os.Stdin)
			must(err)
		case "child": // leave a child in this session that ignores SIGTERM and holds the output
			child := exec.Command(os.Args[0], "stubborn")
			child.Stdout, child.Stderr = os.Stdout, os.Stderr
			must(child.Start())
		case "window": // print the size of the terminal once it has one
			window(resized)
		case "user": // NUMBER, that one goes on as
			must(syscall.Setuid(atoi(next())))
		case "write": // PATH
			must(os.WriteFile(next(), []byte("written"), 0o644))
		default:
			must(fmt.Errorf("unknown word %q in %s", word, strings.Join(os.Args, " ")))
		}
	}
}

func spam(count string) {
	output := bufio.NewWriter(os.Stdout)
	for line := range atoi(count) {
		fmt.Fprintf(output, "line %d\n", line)
	}

	must(output.Flush())
}

func window(resized <-chan os.Signal) {
	for {
		size, err := unix.IoctlGetWinsize(int(os.Stdin.Fd()), unix.TIOCGWINSZ)
		must(err)

		if size.Col > 0 {
			fmt.Printf("%dx%d\n", size.Col, size.Row)

			return
		}

		<-resized
	}
}

func atoi(text string) int {
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
