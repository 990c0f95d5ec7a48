package config

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// asWriter makes the test binary a process that applies documents to a directory until it is killed.
const asWriter = "EXTACTOR_TEST_CONFIG_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asWriter); dir != "" {
		applyForEver(Store{Dir: dir})
	}

	os.Exit(m.Run())
}

// generation is a file of three documents, each of which shows the number several times.
func generation(number int) string {
	var documents []string

	for _, name := range []string{"alpha", "beta", "gamma"} {
		documents = append(documents, fmt.Sprintf(`apiVersion: v1alpha1
kind: ExtensionServiceConfig
name: %s
configFiles:
  - content: "%s"
    mountPath: /file
environment:
  - NUMBER=%d
`, name, strings.Repeat(strconv.Itoa(number)+" ", 2000), number))
	}

	return strings.Join(documents, "---\n")
}

func applyForEver(store Store) {
	configs, _ := store.Load()
	number := 0

	for _, config := range configs {
		if config.Name == "alpha" {
			number, _ = strconv.Atoi(strings.TrimPrefix(config.Environment[0], "NUMBER="))
		}
	}

	for {
		number++

		if _, problems, err := store.Apply("input", []byte(generation(number))); err != nil || len(problems) > 0 {
			fmt.Println("failed:", err, problems)
			os.Exit(1)
		}

		fmt.Println(number)
	}
}

// A writer that is killed at any moment leaves each document as it was or as it was to be: here in a file with others, in
// one of its own, and both at once.
func TestKilledWriter(t *testing.T) {
	store := Store{Dir: t.TempDir()}
	hand := filepath.Join(store.Dir, "hand.yaml")

	if err := os.WriteFile(hand, []byte(byHand), 0o600); err != nil {
		t.Fatal(err)
	}

	rounds := 25
	if testing.Short() {
		rounds = 5
	}

	for round := range rounds {
		last := killAfter(t, store.Dir, 1+rand.IntN(4), rand.IntN(1500))

		named := load(t, store)
		if len(named) != 3 {
			t.Fatalf("round %d: %d documents", round, len(named))
		}

		for name, config := range named {
			number, err := strconv.Atoi(strings.TrimPrefix(config.Environment[0], "NUMBER="))
			if err != nil || number < last {
				t.Fatalf("round %d: %s has %q, and %d was applied", round, name, config.Environment[0], last)
			}

			if config.Files[0].Content != strings.Repeat(strconv.Itoa(number)+" ", 2000) {
				t.Fatalf("round %d: %s has parts of two", round, name)
			}
		}

		content, err := os.ReadFile(hand)
		if err != nil || !strings.HasPrefix(string(content), "# written by hand\n---\napiVersion: v1alpha1\nkind: HostnameConfig\nhostname:   spaced   # and not ours\n---\n") {
			t.Fatalf("round %d: the other documents have changed, %v:\n%.200s", round, err, content)
		}
	}
}

// killAfter starts a writer, kills it some steps of its own after it has said so many numbers, and returns the last one.
func killAfter(t *testing.T, dir string, said, steps int) (last int) {
	t.Helper()

	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), asWriter+"="+dir)

	stdout, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}

	lines := bufio.NewScanner(stdout)
	for range said {
		if !lines.Scan() {
			break
		}

		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Errorf("the writer says: %s", lines.Text())
		}
	}

	// Some moment in the middle of its next round, as random as the scheduler: no clock is asked.
	for range steps {
		_, _ = os.ReadDir("/proc/self/fd")
	}

	if err := writer.Process.Kill(); err != nil {
		t.Errorf("the writer has ended: %v", err)
	}

	for lines.Scan() {
		if number, err := strconv.Atoi(lines.Text()); err == nil {
			last = number
		}
	}

	_ = writer.Wait()

	return last
}
