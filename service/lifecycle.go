package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// Runtime is the built-in service that every other one depends on: the link to the container runtime.
const Runtime = "containerd"

// Conditions lists what a service waits for in the order in which it is announced: the runtime, the other services in
// file order, the environment file, then the rest in file order.
func Conditions(file *spec.Service) []condition.Condition {
	conditions := []condition.Condition{{Kind: condition.Service, Name: Runtime}}
	add := func(kind condition.Kind, name string) {
		added := condition.Condition{Kind: kind, Name: name}
		for _, present := range conditions {
			if present == added {
				return
			}
		}

		conditions = append(conditions, added)
	}

	for _, dependency := range file.Depends {
		if dependency.Service != "" {
			add(condition.Service, dependency.Service)
		}
	}

	if file.Container.EnvironmentFile != "" {
		add(condition.EnvironmentFile, file.Container.EnvironmentFile)
	}

	for _, dependency := range file.Depends {
		switch {
		case dependency.Path != "":
			add(condition.Path, dependency.Path)
		case dependency.Time:
			add(condition.Time, "")
		case dependency.Configuration:
			add(condition.Configuration, file.Name)
		}

		for _, check := range dependency.Network {
			add(condition.Network, check)
		}
	}

	return conditions
}

// Lifecycle is what the journal keeps of a service file. Values of the environment enter it only as keyed hashes, so
// that nobody who reads the journal can try values against them.
func Lifecycle(file *spec.Service, key []byte) *events.Lifecycle {
	lifecycle := &events.Lifecycle{
		Restart:       string(file.Restart),
		StopSignal:    file.Extactor.Stop.Signal,
		StopTimeoutNs: int64(file.Extactor.Stop.Timeout),
		LogToConsole:  file.LogToConsole,
		SpecHash:      specHash(file, key),
		Source:        file.Source,
	}

	for _, awaited := range Conditions(file) {
		lifecycle.Depends = append(lifecycle.Depends, awaited.Key())
	}

	for _, entry := range file.Container.Environment {
		name, value, _ := strings.Cut(entry, "=")

		if lifecycle.Environment == nil {
			lifecycle.Environment = make(map[string]string)
		}

		lifecycle.Environment[name] = keyedHash(key, []byte(value))
	}

	return lifecycle
}

// specHash is over what decides what runs in the container, never over the OCI spec that is made of it: a new default
// there must not restart services at an upgrade. The version changes when the normal form does.
func specHash(file *spec.Service, key []byte) string {
	normal, err := json.Marshal(struct {
		Name      string
		Container spec.Container
		Resources spec.Resources
	}{file.Name, file.Container, file.Extactor.Resources})
	if err != nil {
		panic("service: a parsed file cannot be encoded: " + err.Error()) // strings and numbers only: cannot happen
	}

	return "v1:" + keyedHash(key, normal)
}

func keyedHash(key, content []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(content)

	return hex.EncodeToString(mac.Sum(nil)[:16])
}
