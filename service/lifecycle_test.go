package service_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

var testKey = []byte("the key of this instance")

// full is a service file in which every field is set.
func full() *spec.Service {
	return &spec.Service{
		Name: "nut-client",
		Container: spec.Container{
			Entrypoint:      "/usr/sbin/upsmon",
			Environment:     []string{"TOKEN=hunter2-hunter2", "EMPTY=", "URL=http://a/?b=c"},
			EnvironmentFile: "/etc/nut.env",
			Args:            []string{"-D"},
			Mounts: []spec.Mount{{
				Source: "/run", Destination: "/run", Type: "bind", Options: []string{"bind"},
				UIDMappings: []spec.IDMapping{{ContainerID: 1, HostID: 2, Size: 3}},
				GIDMappings: []spec.IDMapping{{ContainerID: 4, HostID: 5, Size: 6}},
			}},
			Security: spec.Security{
				WriteableRootfs: true, WriteableSysfs: true, MaskedPaths: []string{"/a"}, ReadonlyPaths: []string{"/b"},
				RootfsPropagation: "shared",
			},
		},
		Depends: []spec.Dependency{
			{Path: "/dev/zfs"},
			{Service: "ext-rpcbind"},
			{Network: []string{"hostname", "addresses"}},
			{Service: "containerd"},
			{Time: true},
			{Network: []string{"addresses", "connectivity"}},
			{Configuration: true},
			{Service: "udevd"},
			{Path: "/dev/zfs"},
		},
		Restart:      spec.RestartAlways,
		LogToConsole: true,
		Extactor: spec.Extactor{
			Stop: spec.Stop{Signal: "SIGTERM", Timeout: 10 * time.Second},
			Health: &spec.Health{
				Exec: []string{"check"}, HTTP: "http://[::1]/", TCP: "[::1]:80", Socket: "/run/x", Interval: time.Second, Timeout: time.Second,
				InitialDelay: time.Second, FailureThreshold: 3, OnFailure: spec.HealthFailureRestart,
			},
			Resources:      spec.Resources{Memory: 1 << 20, CPU: 0.5, PIDs: 10},
			Backoff:        spec.Backoff{Initial: time.Second, Max: time.Minute, ResetAfter: time.Hour},
			OnConfigChange: spec.ConfigSignals,
			ConfigSignal:   "SIGHUP",
			Depends: []spec.DependencyOptions{{
				Dependency: spec.Dependency{Path: "/dev/zfs"}, Until: spec.UntilUp, Timeout: time.Minute, OnTimeout: spec.TimeoutFails,
			}},
		},
		Source: "/usr/local/etc/containers/nut-client.yaml",
	}
}

func TestConditionsAreInTheOrderOfTheReference(t *testing.T) {
	want := []string{
		"service:containerd", "service:ext-rpcbind", "service:udevd", "environmentFile:/etc/nut.env", "path:/dev/zfs",
		"network:hostname", "network:addresses", "time", "network:connectivity", "configuration:nut-client",
	}

	var keys []string
	for _, condition := range service.Conditions(full()) {
		keys = append(keys, condition.Key())
	}

	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff(want, service.Lifecycle(full(), nil, testKey).GetDepends()); diff != "" {
		t.Error(diff)
	}

	bare := service.Conditions(&spec.Service{Name: "bare"})
	if len(bare) != 1 || bare[0].Key() != "service:containerd" {
		t.Errorf("a service without dependencies waits for %v", bare)
	}
}

func TestLifecycleHoldsEverySetting(t *testing.T) {
	made := service.Lifecycle(full(), nil, testKey)
	if made.GetRestart() != "always" || made.GetStopSignal() != "SIGTERM" || made.GetStopTimeoutNs() != int64(10*time.Second) ||
		!made.GetLogToConsole() || made.GetSource() != full().Source {
		t.Errorf("not every setting is in %v", made)
	}

	var names []string
	for name := range made.GetEnvironment() {
		names = append(names, name)
	}

	slices.Sort(names)

	if diff := cmp.Diff([]string{"EMPTY", "TOKEN", "URL"}, names); diff != "" {
		t.Error(diff)
	}
}

// TestHashFollowsTheContainer changes every field of a service file in turn, found by reflection so that a new one cannot
// be forgotten: the hash follows the name and everything in the container, and nothing else.
func TestHashFollowsTheContainer(t *testing.T) {
	before := service.Lifecycle(full(), nil, testKey).GetSpecHash()
	if again := service.Lifecycle(full(), nil, testKey).GetSpecHash(); again != before || !strings.HasPrefix(before, "v1:") {
		t.Fatalf("hash %q, then %q", before, again)
	}

	paths := leaves(reflect.ValueOf(full()).Elem(), "")
	if len(paths) < 40 {
		t.Fatalf("only %d fields were found: %v", len(paths), paths)
	}

	for _, path := range paths {
		file := full()
		mutateLeaf(t, reflect.ValueOf(file).Elem(), path)

		follows := path == ".Name" || strings.HasPrefix(path, ".Container.") || strings.HasPrefix(path, ".Extactor.Resources.")
		if changed := service.Lifecycle(file, nil, testKey).GetSpecHash() != before; changed != follows {
			t.Errorf("after a change of %s the hash changed: %t, want %t", path, changed, follows)
		}
	}

	unset := full()
	unset.Container.Security.MaskedPaths = nil

	empty := full()
	empty.Container.Security.MaskedPaths = []string{}

	if service.Lifecycle(unset, nil, testKey).GetSpecHash() == service.Lifecycle(empty, nil, testKey).GetSpecHash() {
		t.Error("absent masked paths (the defaults) and empty ones (none) have one hash")
	}

	if service.Lifecycle(full(), nil, []byte("another key")).GetSpecHash() == before {
		t.Error("the hash does not depend on the key")
	}
}

// leaves names every settable value below a value: ".Container.Mounts[0].Source".
func leaves(value reflect.Value, path string) []string {
	var found []string

	switch value.Kind() {
	case reflect.Pointer:
		found = leaves(value.Elem(), path)
	case reflect.Struct:
		for i := range value.NumField() {
			found = append(found, leaves(value.Field(i), path+"."+value.Type().Field(i).Name)...)
		}
	case reflect.Slice:
		for i := range value.Len() {
			found = append(found, leaves(value.Index(i), path+"["+string(rune('0'+i))+"]")...)
		}
	default:
		found = []string{path}
	}

	return found
}

// mutateLeaf changes one value.
func mutateLeaf(t *testing.T, value reflect.Value, path string) {
	t.Helper()

	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		value = reflect.Indirect(value)
		if value.Kind() == reflect.Slice {
			value = value.Index(int(part[0] - '0'))
		} else {
			value = value.FieldByName(part)
		}
	}

	switch value.Kind() {
	case reflect.String:
		value.SetString(value.String() + "x")
	case reflect.Bool:
		value.SetBool(!value.Bool())
	case reflect.Int, reflect.Int64:
		value.SetInt(value.Int() + 1)
	case reflect.Uint32:
		value.SetUint(value.Uint() + 1)
	case reflect.Float64:
		value.SetFloat(value.Float() + 1)
	default:
		t.Fatalf("%s: this test cannot change a %s", path, value.Kind())
	}
}

// TestEveryFieldOfAFileIsSet keeps full true to its name: a new field that it leaves empty would escape the test of the
// hash where it is a slice.
func TestEveryFieldOfAFileIsSet(t *testing.T) {
	var check func(value reflect.Value, path string)

	check = func(value reflect.Value, path string) {
		switch value.Kind() {
		case reflect.Pointer:
			check(value.Elem(), path)
		case reflect.Struct:
			for i := range value.NumField() {
				if value.Type() == reflect.TypeFor[spec.Dependency]() {
					continue // exactly one field is set
				}

				check(value.Field(i), path+"."+value.Type().Field(i).Name)
			}
		case reflect.Slice:
			if value.Len() == 0 {
				t.Errorf("%s is empty", path)
			} else {
				check(value.Index(0), path+"[0]")
			}
		default:
			if value.IsZero() {
				t.Errorf("%s is not set", path)
			}
		}
	}

	check(reflect.ValueOf(full()).Elem(), "full()")
}

func TestValuesNeverEnterTheLifecycle(t *testing.T) {
	bytes, err := proto.Marshal(service.Lifecycle(full(), nil, testKey))
	if err != nil {
		t.Fatal(err)
	}

	for _, secret := range []string{"hunter2", "http://a/?b=c", string(testKey)} {
		if strings.Contains(string(bytes), secret) {
			t.Errorf("%q stands in the lifecycle", secret)
		}
	}

	if !strings.Contains(string(bytes), "TOKEN") {
		t.Error("the name of the variable does not stand in the lifecycle")
	}

	this, other := service.Lifecycle(full(), nil, testKey).GetEnvironment(), service.Lifecycle(full(), nil, []byte("x")).GetEnvironment()
	if this["TOKEN"] == other["TOKEN"] {
		t.Error("the hash of a value does not depend on the key: whoever reads the journal could try values against it")
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range map[uint32]time.Duration{
		0: 100 * time.Millisecond, 1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 9: 25600 * time.Millisecond,
		10: 30 * time.Second, 11: 30 * time.Second, 1 << 31: 30 * time.Second,
	} {
		if got := service.Backoff(100*time.Millisecond, 30*time.Second, failures); got != want {
			t.Errorf("after %d failures: %s, want %s", failures, got, want)
		}
	}
}
