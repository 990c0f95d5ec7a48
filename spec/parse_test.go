package spec_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/extactor/extactor/spec"
)

const everyField = `
name: hello_world-2
container:
  entrypoint: ./hello
  environment: [XDG_RUNTIME_DIR=/run, EMPTY=, "SUM=1=1"]
  environmentFile: /run/env
  args: [-f, 8080, 0x1F, 1e3, true, Yes, 2001-01-01, !!str 12, ""]
  mounts:
    - source: /var/log/audit
      destination: /var/log/audit
      type: bind
      options: [rshared, bind, ro]
      uidMappings: [{containerID: 0, hostID: 100000, size: 4294967295}]
      gidmappings: [{containerid: 1, hostid: 2, size: 3}]
    - {destination: /tmp, type: tmpfs}
  security:
    writeableRootfs: true
    writeableSysfs: on
    maskedPaths: [/should/be/masked]
    readonlyPaths: []
    rootfsPropagation: rshared
depends:
  - configuration: true
  - service: cri
  - path: /run/machined/machined.sock
  - network: [addresses, connectivity, hostname, etcfiles]
  - time: true
restart: UNTILsuccess
logToConsole: true
extactor:
  stop: {signal: int, timeout: 1m30s}
  health:
    exec: [/bin/check, --fast, 8080]
    interval: 1m
    timeout: 2.5s
    initialDelay: 0s
    failureThreshold: 5
    onFailure: restart
  resources: {memory: 64Mi, cpu: 500m, pids: 100}
  backoff: {initial: 1s, max: 2m, resetAfter: 1h}
  onConfigChange: signal
  signal: 10
  depends:
    - {service: cri, until: up, timeout: 30s, onTimeout: skip}
    - {network: [etcfiles, hostname, connectivity, addresses], timeout: 1m, onTimeout: fail}
    - {configuration: true, timeout: 5m}
`

// Every field of a service file, those of a mount and of security too, and what it becomes.
func TestParseReadsEveryField(t *testing.T) {
	want := &spec.Service{
		Name: "hello_world-2",
		Container: spec.Container{
			Entrypoint:      "./hello",
			Environment:     []string{"XDG_RUNTIME_DIR=/run", "EMPTY=", "SUM=1=1"},
			EnvironmentFile: "/run/env",
			Args:            []string{"-f", "8080", "0x1F", "1e3", "true", "Yes", "2001-01-01", "12", ""},
			Mounts: []spec.Mount{
				{
					Source: "/var/log/audit", Destination: "/var/log/audit", Type: "bind",
					Options:     []string{"rshared", "bind", "ro"},
					UIDMappings: []spec.IDMapping{{ContainerID: 0, HostID: 100000, Size: 4294967295}},
					GIDMappings: []spec.IDMapping{{ContainerID: 1, HostID: 2, Size: 3}},
				},
				{Destination: "/tmp", Type: "tmpfs"},
			},
			Security: spec.Security{
				WriteableRootfs:   true,
				WriteableSysfs:    true,
				MaskedPaths:       []string{"/should/be/masked"},
				ReadonlyPaths:     []string{},
				RootfsPropagation: "rshared",
			},
		},
		Depends: []spec.Dependency{
			{Configuration: true},
			{Service: "cri"},
			{Path: "/run/machined/machined.sock"},
			{Network: []string{"addresses", "connectivity", "hostname", "etcfiles"}},
			{Time: true},
		},
		Restart:      spec.RestartUntilSuccess,
		LogToConsole: true,
		Extactor: spec.Extactor{
			Stop: spec.Stop{Signal: "SIGINT", Timeout: 90 * time.Second},
			Health: &spec.Health{
				Exec: []string{"/bin/check", "--fast", "8080"}, Interval: time.Minute, Timeout: 2500 * time.Millisecond,
				FailureThreshold: 5, OnFailure: spec.HealthFailureRestart,
			},
			Resources:      spec.Resources{Memory: 64 << 20, CPU: 0.5, PIDs: 100},
			Backoff:        spec.Backoff{Initial: time.Second, Max: 2 * time.Minute, ResetAfter: time.Hour},
			OnConfigChange: spec.ConfigSignals,
			ConfigSignal:   "SIGUSR1",
			Depends: []spec.DependencyOptions{
				{
					Dependency: spec.Dependency{Service: "cri"}, Until: spec.UntilUp, Timeout: 30 * time.Second,
					OnTimeout: spec.TimeoutSkips,
				},
				{
					Dependency: spec.Dependency{Network: []string{"addresses", "connectivity", "hostname", "etcfiles"}},
					Timeout:    time.Minute, OnTimeout: spec.TimeoutFails,
				},
				{Dependency: spec.Dependency{Configuration: true}, Timeout: 5 * time.Minute, OnTimeout: spec.TimeoutWaits},
			},
		},
		Source: "every.yaml",
	}
	got, problems := spec.Parse("every.yaml", []byte(everyField))
	if len(problems) > 0 {
		t.Fatalf("problems:\n%s", problems)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("service (-want +got):\n%s", diff)
	}
	if got.ID() != "ext-hello_world-2" {
		t.Errorf("ID is %q", got.ID())
	}
}

// parsed returns the service of a minimal file with lines added under container and at the top level.
func parsed(t *testing.T, container, top string) *spec.Service {
	t.Helper()
	content := "name: hello\ncontainer:\n  entrypoint: ./hello\n" + container + "restart: always\n" + top
	service, problems := spec.Parse("x.yaml", []byte(content))
	if len(problems) > 0 {
		t.Fatalf("%s\nproblems:\n%s", content, problems)
	}
	return service
}

// maskedPaths and readonlyPaths: absent is containerd's default, [] is none.
func TestAbsentAndEmptyPathsDiffer(t *testing.T) {
	for name, test := range map[string]struct {
		yaml string
		want []string
	}{
		"absent": {"  security: {}\n", nil},
		"null":   {"  security: {maskedPaths: }\n", nil},
		"empty":  {"  security: {maskedPaths: []}\n", []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, parsed(t, test.yaml, "").Container.Security.MaskedPaths); diff != "" {
				t.Errorf("maskedPaths (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAdditionsHaveDefaults(t *testing.T) {
	want := spec.Extactor{
		Stop:           spec.Stop{Signal: "SIGTERM", Timeout: 10 * time.Second},
		Backoff:        spec.Backoff{Initial: 100 * time.Millisecond, Max: 30 * time.Second, ResetAfter: time.Minute},
		OnConfigChange: spec.ConfigRestarts,
		ConfigSignal:   "SIGHUP",
	}
	for _, top := range []string{
		"", "extactor:\n", "extactor: {}\n", "extactor: {stop: {}}\n", "extactor: {stop: {signal: }}\n",
		"extactor: {health: , resources: {}, backoff: {}, onConfigChange: , signal: , depends: []}\n",
	} {
		if diff := cmp.Diff(want, parsed(t, "", top).Extactor); diff != "" {
			t.Errorf("%q (-want +got):\n%s", top, diff)
		}
	}
	got := parsed(t, "", "extactor: {health: {tcp: 'localhost:80'}}\n").Extactor.Health
	health := &spec.Health{
		TCP: "localhost:80", Interval: 10 * time.Second, Timeout: 5 * time.Second, FailureThreshold: 3,
		OnFailure: spec.HealthFailureNone,
	}
	if diff := cmp.Diff(health, got); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}
}

func TestResources(t *testing.T) {
	for text, want := range map[string]spec.Resources{
		"memory: 67108864": {Memory: 64 << 20}, "memory: 2M": {Memory: 2e6}, "memory: 1100k": {Memory: 1.1e6},
		"memory: 1G": {Memory: 1e9}, "memory: 2048Ki": {Memory: 2 << 20}, "memory: 3Gi": {Memory: 3 << 30},
		"cpu: 2": {CPU: 2}, "cpu: 1.25": {CPU: 1.25}, "cpu: .5": {CPU: 0.5}, "cpu: 10m": {CPU: 0.01}, "cpu: '1500m'": {CPU: 1.5},
		"pids: 1": {PIDs: 1},
	} {
		if got := parsed(t, "", "extactor: {resources: {"+text+"}}\n").Extactor.Resources; got != want {
			t.Errorf("%s gives %+v, want %+v", text, got, want)
		}
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	service := parsed(t, `  environment: &env [A=b]
  args: *env
  mounts:
    - &base {source: /a, destination: /a, type: bind, options: &ro [bind, ro]}
    - {<<: *base, source: /b, destination: /b}
    - {<<: [{options: [bind]}, *base], destination: /c}
    - {source: /d, destination: /d, options: *ro}
`, "")
	want := []spec.Mount{
		{Source: "/a", Destination: "/a", Type: "bind", Options: []string{"bind", "ro"}},
		{Source: "/b", Destination: "/b", Type: "bind", Options: []string{"bind", "ro"}},
		{Source: "/a", Destination: "/c", Type: "bind", Options: []string{"bind"}},
		{Source: "/d", Destination: "/d", Options: []string{"bind", "ro"}},
	}
	if diff := cmp.Diff(want, service.Container.Mounts); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"A=b"}, service.Container.Args); diff != "" {
		t.Errorf("args (-want +got):\n%s", diff)
	}
}

func TestBlockTextIsLiteral(t *testing.T) {
	service := parsed(t, "  args:\n    - |\n      echo $HOME\n      exit\n    - >-\n      one\n      line\n", "")
	if diff := cmp.Diff([]string{"echo $HOME\nexit\n", "one line"}, service.Container.Args); diff != "" {
		t.Errorf("args (-want +got):\n%s", diff)
	}
}

func TestLineBreaksAndByteOrderMark(t *testing.T) {
	const file = "name: hello\ncontainer:\n  entrypoint: \"./he\n    llo\"\nrestart: always\nbogus: 1\n"
	for name, content := range map[string]string{
		"LF": file, "CRLF": strings.ReplaceAll(file, "\n", "\r\n"), "CR": strings.ReplaceAll(file, "\n", "\r"),
		"byte order mark": "\ufeff" + file, "document start": strings.TrimSuffix(file, "\n") + "\n---\n",
	} {
		t.Run(name, func(t *testing.T) {
			service, problems := spec.Parse("x.yaml", []byte(content))
			if len(problems) != 1 || problems[0].Line != 6 || problems[0].Column != 1 {
				t.Fatalf("problems:\n%s", problems)
			}
			if service == nil || service.Container.Entrypoint != "./he llo" {
				t.Errorf("service is %+v", service)
			}
		})
	}
}

func TestRefusedAsAWhole(t *testing.T) {
	bomb := &strings.Builder{}
	bomb.WriteString("a0: &a0 {x: y}\n")
	for i := range 40 {
		fmt.Fprintf(bomb, "a%d: &a%[1]d {<<: [*a%[2]d, *a%[2]d]}\n", i+1, i)
	}
	bomb.WriteString("container: {<<: *a40}\n")
	wide := "name: x\nrestart: always\ncontainer:\n  entrypoint: x\n  mounts:\n    - &m {destination: /a, type: tmpfs, options: [" +
		strings.Repeat("ro,", 3000) + "]}\n" + strings.Repeat("    - *m\n", 3000)
	for name, test := range map[string]struct{ content, want string }{
		"empty":              {"", "the file is empty"},
		"blank":              {" \n\n", "the file is empty"},
		"only a start":       {"---\n", "the file is empty"},
		"too large":          {strings.Repeat("#", spec.MaxFileSize+1), "larger than 1048576 bytes"},
		"not UTF-8":          {"name: h\xe9llo\n", `byte 0xe9 is not UTF-8`},
		"UTF-16":             {"\xff\xfen\x00", `byte 0xff is not UTF-8`},
		"control character":  {"name: a\x00b\n", "control character U+0000"},
		"merge bomb":         {bomb.String(), "the aliases make this file larger"},
		"quadratic bomb":     {wide, "the aliases make this file larger"},
		"deep flow":          {strings.Repeat("[", 100_000), "YAML tokens"},
		"deep lists":         {strings.Repeat("- ", 1000) + "x", "nested too deeply"},
		"deep flow lists":    {strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "nested too deeply"},
		"deep flow mappings": {strings.Repeat("{a: ", 1000) + strings.Repeat("}", 1000), "nested too deeply"},
		"deep blocks":        {deepBlocks(200), "nested too deeply"},
		"many tokens":        {"args:\n" + strings.Repeat("- a\n", 100_000), "YAML tokens"},
		"blank lines":        {"a: |\n" + strings.Repeat("  \n", 100_000), "empty lines in a row"},
		"angles":             {"a: " + strings.Repeat("<", 100_000), `more than 100 "<" in a row`},
	} {
		t.Run(name, func(t *testing.T) {
			service, problems := spec.Parse("x.yaml", []byte(test.content))
			if service != nil || !strings.Contains(problems.Errors().String(), test.want) {
				t.Errorf("service %v, problems:\n%.2000s\nwant %q", service, problems, test.want)
			}
		})
	}
}

func deepBlocks(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// TestPositions puts mistakes at random places among valid lines: each is found where it was put, none is invented.
func TestPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := []string{"name: hello", "restart: always", "container:", "  entrypoint: ./hello", "  environment:"}
		var want []string
		add := func(line string, wrongColumn int) {
			lines = append(lines, line)
			if wrongColumn > 0 {
				want = append(want, fmt.Sprintf("%d:%d", len(lines), wrongColumn))
			}
		}
		for range rapid.IntRange(0, 30).Draw(t, "items") {
			indent := strings.Repeat(" ", 4)
			switch rapid.IntRange(0, 7).Draw(t, "kind") {
			case 0:
				add(indent+"- A=b", 0)
			case 1:
				add(indent+"- bad", 7)
			case 2:
				add(indent+"- \"é: \\\" ö=1\" # comment", 0)
			case 3:
				add("", 0)
				add(indent+"# comment: é", 0)
			case 4:
				add(indent+"- [nested]", 7)
			case 5:
				add(indent+"- 'A=multi", 0)
				add("", 0)
				add(indent+"     line'", 0)
			case 6:
				add(indent+"- |-", 0)
				add(indent+"  A=literal", 0)
				add("", 0)
				add(indent+"  # no comment", 0)
			case 7:
				add(indent+"-   'é ö'", 9)
			}
		}
		_, problems := spec.Parse("x.yaml", []byte(strings.Join(lines, "\n")+"\n"))
		var got []string
		for _, problem := range problems {
			got = append(got, fmt.Sprintf("%d:%d", problem.Line, problem.Column))
			if problem.SourceLine != lines[problem.Line-1] {
				t.Fatalf("source line %q of %+v", problem.SourceLine, problem)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("positions (-want +got):\n%s\n%s", diff, problems)
		}
	})
}
