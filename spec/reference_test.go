package spec_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/extactor/extactor/spec"
)

// restart is always, never or untilSuccess, whatever the letter case.
func TestRestartInAnyLetterCase(t *testing.T) {
	for _, want := range []spec.RestartPolicy{spec.RestartAlways, spec.RestartNever, spec.RestartUntilSuccess} {
		for _, spelling := range []string{string(want), strings.ToUpper(string(want)), strings.ToLower(string(want))} {
			service, problems := spec.Parse("x.yaml", fmt.Appendf(nil, "name: x\ncontainer: {entrypoint: x}\nrestart: %s\n", spelling))
			if service == nil || service.Restart != want || len(problems) > 0 {
				t.Errorf("%s: %+v, problems %s", spelling, service, problems)
			}
		}
	}
}

// The reference allows [a-z0-9-_]+. Of these containerd refuses, there as here, what is not letters and digits between
// single separators: such a name is worth a warning.
func TestNameHasTheCharactersOfTheReference(t *testing.T) {
	for verdict, names := range map[string][]string{
		"valid":   {"a", "hello-world", "hello_world_2", "0", "9-a_b"},
		"warning": {"a--b", "-a", "a-", "_"},
		"refused": {"Hello", "a.b", "a b", "a/b", "ä", ".."},
	} {
		for _, name := range names {
			service, problems := spec.Parse("x.yaml", fmt.Appendf(nil, "name: %q\ncontainer: {entrypoint: x}\nrestart: never\n", name))
			if (service == nil) != (verdict == "refused") || (len(problems) == 0) != (verdict == "valid") {
				t.Errorf("%q should be %s: %+v, problems %s", name, verdict, service, problems)
			} else if service != nil && service.ID() != "ext-"+name {
				t.Errorf("%q is the service %q", name, service.ID())
			}
		}
	}
}

// Each item of depends is one dependency, of the kinds that the reference lists; its own notation is read.
func TestDependsOfTheReference(t *testing.T) {
	const file = `name: hello-world
container:
  entrypoint: ./hello-world
  environment:
    - XDG_RUNTIME_DIR=/run
  args:
    - -f
  mounts:
    - # OCI Mount Spec
      {source: /var/log/audit, destination: /var/log/audit, type: bind, options: [rshared, bind, ro]}
depends:
  - configuration: true
  - service: cri
  - path: /run/machined/machined.sock
  - network:
    - addresses
    - connectivity
    - hostname
    - etcfiles
  - time: true
restart: always
logToConsole: true
`
	service, problems := spec.Parse("hello-world.yaml", []byte(file))
	if service == nil || len(problems) > 0 {
		t.Fatalf("%+v, problems %s", service, problems)
	}
	depends := service.Depends
	if len(depends) != 5 || !depends[0].Configuration || depends[1].Service != "cri" ||
		depends[2].Path != "/run/machined/machined.sock" || len(depends[3].Network) != 4 || !depends[4].Time {
		t.Errorf("depends: %+v", depends)
	}
	if !service.LogToConsole || len(service.Container.Mounts) != 1 || service.Container.Mounts[0].Options[0] != "rshared" {
		t.Errorf("service: %+v", service)
	}
}
