// Command program is what the containers of these tests run: it does what its arguments say, one after the other.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)

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
