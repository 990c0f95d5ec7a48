package service

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

// Runtime is the built-in service that every other one depends on: the link to the container runtime.
const Runtime = "containerd"

// Journal is the built-in service that tells whether what happens can be recorded.
const Journal = "journal"

// Conditions lists what a service waits for in the order in which it is announced: the runtime, the other services in
// file order, the environment file, then the rest in file order; each once.
func Conditions(file *spec.Service) []condition.Condition {
	conditions := []condition.Condition{{Kind: condition.Service, Name: Runtime}}
	add := func(added ...condition.Condition) {
		for _, one := range added {
			if !slices.Contains(conditions, one) {
				conditions = append(conditions, one)
			}
		}
	}

	for _, dependency := range file.Depends {
		if dependency.Service != "" {
			add(conditionsOf(file, dependency)...)
		}
	}

	if file.Container.EnvironmentFile != "" {
		add(condition.Condition{Kind: condition.EnvironmentFile, Name: file.Container.EnvironmentFile})
	}

	for _, dependency := range file.Depends {
		if dependency.Service == "" {
			add(conditionsOf(file, dependency)...)
		}
	}

	return conditions
}

// serviceKind tells how far a service that is depended on must be.
func serviceKind(file *spec.Service, id string) condition.Kind {
	for _, options := range file.Extactor.Depends {
		if options.Dependency.Service == id && options.Until == spec.UntilCompleted {
			return condition.Completed
		}
	}

	return condition.Service
}

// Lifecycle is what the journal keeps of a service file and of the configuration that belongs to it, which may be nil.
// Values of the environment and contents of files enter it only as keyed hashes, so that nobody who reads the journal
// can try values against them.
func Lifecycle(file *spec.Service, config *spec.Config, key []byte) *events.Lifecycle {
	additions := file.Extactor
	lifecycle := &events.Lifecycle{
		Restart:          string(file.Restart),
		StopSignal:       additions.Stop.Signal,
		StopTimeoutNs:    int64(additions.Stop.Timeout),
		LogToConsole:     file.LogToConsole,
		SpecHash:         specHash(file, key),
		Source:           file.Source,
		BackoffInitialNs: int64(additions.Backoff.Initial),
		BackoffMaxNs:     int64(additions.Backoff.Max),
		BackoffResetNs:   int64(additions.Backoff.ResetAfter),
		HealthCheck:      additions.Health != nil,
		RestartUnhealthy: additions.Health != nil && additions.Health.OnFailure == spec.HealthFailureRestart,
		OnConfigChange:   string(additions.OnConfigChange),
		ConfigSignal:     additions.ConfigSignal,
		Timeouts:         timeouts(file),
	}

	for _, awaited := range Conditions(file) {
		lifecycle.Depends = append(lifecycle.Depends, awaited.Key())
	}

	names := make(map[string]string)
	hashEnvironment(names, file.Container.Environment, key)

	if config != nil {
		hashEnvironment(names, config.Environment, key)
		addConfig(lifecycle, config, key)
	}

	if len(names) > 0 {
		lifecycle.Environment = names
	}

	return lifecycle
}

// Orphan is the lifecycle of a container of which there is no file any more: as it was recorded last, so that it is
// stopped with its own signal, or else as given; nothing but the runtime is awaited, and what runs is what should.
func Orphan(recorded, otherwise *events.Lifecycle, hash string) *events.Lifecycle {
	if recorded == nil {
		recorded = otherwise
	}

	lifecycle := proto.CloneOf(recorded)
	lifecycle.Depends, lifecycle.Timeouts, lifecycle.HealthCheck = otherwise.GetDepends(), nil, false
	lifecycle.SpecHash, lifecycle.ConfigFilesHash, lifecycle.ConfigEnvironmentHash = events.SplitTaskHash(hash)

	return lifecycle
}

func hashEnvironment(names map[string]string, environment []string, key []byte) {
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		names[name] = keyedHash(key, []byte(value))
	}
}

func addConfig(lifecycle *events.Lifecycle, config *spec.Config, key []byte) {
	if len(config.Files) > 0 {
		lifecycle.ConfigFilesHash = hashOf(config.Files, key)
		lifecycle.Files = make(map[string]string, len(config.Files))
	}

	for _, file := range config.Files {
		lifecycle.Files[file.MountPath] = keyedHash(key, []byte(file.Content))
	}

	if len(config.Environment) > 0 {
		lifecycle.ConfigEnvironmentHash = hashOf(config.Environment, key)
	}
}

// timeouts are those of all conditions that a dependency stands for: a network item may name several checks, and two
// items the same check, of whose limits the shorter one counts.
func timeouts(file *spec.Service) []*events.DependencyTimeout {
	var limits []*events.DependencyTimeout

	for _, options := range file.Extactor.Depends {
		if options.Timeout == 0 {
			continue
		}

		for _, awaited := range conditionsOf(file, options.Dependency) {
			limit := &events.DependencyTimeout{
				Key: awaited.Key(), TimeoutNs: int64(options.Timeout), Action: string(options.OnTimeout),
			}

			index := slices.IndexFunc(limits, func(other *events.DependencyTimeout) bool { return other.GetKey() == limit.GetKey() })

			switch {
			case index < 0:
				limits = append(limits, limit)
			case limit.GetTimeoutNs() < limits[index].GetTimeoutNs():
				limits[index] = limit
			}
		}
	}

	return limits
}

// conditionsOf lists the conditions that one dependency stands for.
func conditionsOf(file *spec.Service, dependency spec.Dependency) []condition.Condition {
	switch {
	case dependency.Service != "":
		return []condition.Condition{{Kind: serviceKind(file, dependency.Service), Name: dependency.Service}}
	case dependency.Path != "":
		return []condition.Condition{{Kind: condition.Path, Name: dependency.Path}}
	case dependency.Time:
		return []condition.Condition{{Kind: condition.Time}}
	case dependency.Configuration:
		return []condition.Condition{{Kind: condition.Configuration, Name: file.Name}}
	}

	checks := make([]condition.Condition, 0, len(dependency.Network))
	for _, check := range dependency.Network {
		checks = append(checks, condition.Condition{Kind: condition.Network, Name: check})
	}

	return checks
}

// FileHash tells apart what service files say, in full; keyed, because they may hold values of the environment.
func FileHash(file *spec.Service, key []byte) string { return hashOf(file, key) }

// ConfigHash does the same for the configuration of a service.
func ConfigHash(config *spec.Config, key []byte) string { return hashOf(config, key) }

// specHash is over what decides what runs in the container, never over the OCI spec that is made of it: a new default
// there must not restart services at an upgrade. The version changes when the normal form does.
func specHash(file *spec.Service, key []byte) string {
	return "v1:" + hashOf(struct {
		Name      string
		Container spec.Container
		Resources spec.Resources
	}{file.Name, file.Container, file.Extactor.Resources}, key)
}

// hashOf is over the value's normal form.
func hashOf(value any, key []byte) string {
	normal, err := json.Marshal(value)
	if err != nil {
		panic("service: a parsed file cannot be encoded: " + err.Error()) // strings and numbers only: cannot happen
	}

	return keyedHash(key, normal)
}

func keyedHash(key, content []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(content)

	return hex.EncodeToString(mac.Sum(nil)[:16])
}
