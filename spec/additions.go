package spec

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What counts where the key "extactor" does not say.
const (
	DefaultStopSignal  = "SIGTERM"
	DefaultStopTimeout = 10 * time.Second

	DefaultHealthInterval   = 10 * time.Second
	DefaultHealthTimeout    = 5 * time.Second
	DefaultFailureThreshold = 3

	DefaultBackoffInitial    = 100 * time.Millisecond
	DefaultBackoffMax        = 30 * time.Second
	DefaultBackoffResetAfter = 60 * time.Second

	DefaultConfigSignal = "SIGHUP"
)

// extactor reads extactor's own additions; dependsWrong tells that not all of the service's depends could be read.
func (d *decoder) extactor(m *mapping, s *Service, dependsWrong bool) Extactor {
	additions := Extactor{
		Stop:           Stop{Signal: DefaultStopSignal, Timeout: DefaultStopTimeout},
		Backoff:        Backoff{Initial: DefaultBackoffInitial, Max: DefaultBackoffMax, ResetAfter: DefaultBackoffResetAfter},
		OnConfigChange: ConfigRestarts,
		ConfigSignal:   DefaultConfigSignal,
	}
	ours := d.mapping(extactorSection, m.fields["extactor"].value)
	if ours == nil {
		return additions
	}
	if stop := d.mapping(stopSection, ours.fields["stop"].value); stop != nil {
		additions.Stop = Stop{
			Signal:  d.signal(stop, DefaultStopSignal, validStopSignal),
			Timeout: d.duration(stop, "timeout", DefaultStopTimeout, validDuration),
		}
		d.unknownFields(stop)
	}
	if health := d.mapping(healthSection, ours.fields["health"].value); health != nil {
		additions.Health = d.health(health)
	}
	if resources := d.mapping(resourcesSection, ours.fields["resources"].value); resources != nil {
		additions.Resources = d.resources(resources)
	}
	if backoff := d.mapping(backoffSection, ours.fields["backoff"].value); backoff != nil {
		additions.Backoff = d.backoff(backoff)
	}
	additions.OnConfigChange = choose(d, ours, "onConfigChange", ConfigRestarts, configChanges)
	additions.ConfigSignal = d.signal(ours, DefaultConfigSignal, validConfigSignal)
	if signal := d.text(ours, "signal"); signal.text != "" && additions.OnConfigChange != ConfigSignals {
		d.warnAt(signal.at, "signal means nothing without onConfigChange: signal; the signal that stops is stop.signal")
	}
	additions.Depends = d.dependencyOptions(ours, s, dependsWrong)
	d.unknownFields(ours)
	return additions
}

func (d *decoder) health(m *mapping) *Health {
	before := len(d.problems)
	health := &Health{
		Exec:         d.checkedTexts(m, "exec", "texts: the command and its arguments", nil),
		HTTP:         d.checkedText(m, "http", validURL),
		TCP:          d.checkedText(m, "tcp", validAddress),
		Socket:       d.checkedText(m, "socket", validSocket),
		Interval:     d.duration(m, "interval", DefaultHealthInterval, validDuration),
		Timeout:      d.duration(m, "timeout", DefaultHealthTimeout, validDuration),
		InitialDelay: d.duration(m, "initialDelay", 0, validDelay),
		OnFailure:    choose(d, m, "onFailure", HealthFailureNone, healthFailures),
	}
	health.FailureThreshold = int(d.count(m, "failureThreshold", DefaultFailureThreshold, maxFailures))
	if len(health.Exec) > 0 && health.Exec[0] == "" {
		d.errorAt(m.fields["exec"].key, "the first item of exec must not be empty: it is the program")
	}
	d.exactlyOne(m, before, len(health.Exec) > 0, health.HTTP != "", health.TCP != "", health.Socket != "")
	d.unknownFields(m)
	return health
}

// exactlyOne demands that one of the fields of the section's choice is set. Where none is because of a problem that was
// reported since before, that is enough.
func (d *decoder) exactlyOne(m *mapping, before int, given ...bool) {
	var set []string
	for i, given := range given {
		if given {
			set = append(set, m.section.oneOf[i])
		}
	}
	switch {
	case len(set) > 1:
		d.errorAt(m.at, "%s sets %s: it needs %s", m.section.title, strings.Join(set, " and "), m.section.choice())
	case len(set) == 0 && len(d.problems) == before:
		for i, candidate := range m.unknown { // a field that was misspelt is one mistake
			if meant := nearest(candidate.name, m.section.names()); slices.Contains(m.section.oneOf, meant) {
				m.unknown = slices.Delete(m.unknown, i, i+1)
				d.errorAt(candidate.key, "unknown field %s in %s: did you mean %q? It needs %s",
					d.quote(candidate.name), m.section.title, meant, m.section.choice())
				return
			}
		}
		d.errorAt(m.at, "%s sets nothing: it needs %s", m.section.title, m.section.choice())
	}
}

func (d *decoder) resources(m *mapping) Resources {
	var resources Resources
	if memory := d.text(m, "memory"); memory.text != "" {
		bytes, ok := memoryBytes(memory.text)
		switch {
		case !ok:
			d.errorAt(memory.at, "memory %s is not allowed: it is a number of bytes, or one with k, M, G, Ki, Mi or Gi, such as 64Mi",
				quote(memory.text))
		case bytes < minMemory:
			d.errorAt(memory.at, "memory %s is too little to start a container: at least 1Mi, such as 64Mi", quote(memory.text))
		}
		resources.Memory = bytes
	}
	if cpu := d.text(m, "cpu"); cpu.text != "" {
		share, ok := cpuShare(cpu.text)
		if !ok {
			d.errorAt(cpu.at, "cpu %s is not allowed: it is a number of processors from %v to %v, such as 0.5 or 500m",
				quote(cpu.text), minCPU, maxCPU)
		}
		resources.CPU = share
	}
	resources.PIDs = d.count(m, "pids", 0, maxPIDs)
	d.unknownFields(m)
	return resources
}

func (d *decoder) backoff(m *mapping) Backoff {
	backoff := Backoff{
		Initial:    d.duration(m, "initial", DefaultBackoffInitial, validDuration),
		Max:        d.duration(m, "max", DefaultBackoffMax, validDuration),
		ResetAfter: d.duration(m, "resetAfter", DefaultBackoffResetAfter, validDuration),
	}
	if backoff.Initial > backoff.Max {
		d.errorAt(m.at, "backoff begins with %s, which is more than its max of %s", spelt(backoff.Initial), spelt(backoff.Max))
	}
	d.unknownFields(m)
	return backoff
}

// duration reads a duration; the fallback where there is none.
func (d *decoder) duration(m *mapping, name string, fallback time.Duration, rule rule) time.Duration {
	value := d.text(m, name)
	if value.text == "" {
		return fallback
	}
	if wrong := rule(value.text); wrong != "" {
		d.errorAt(value.at, "%s %s", name, wrong)
		return fallback
	}
	parsed, _ := time.ParseDuration(value.text)
	return parsed
}

// signal reads the field of that name; the fallback where there is none.
func (d *decoder) signal(m *mapping, fallback string, rule rule) string {
	if name, ok := signalName(d.checkedText(m, "signal", rule)); ok {
		return name
	}
	return fallback
}

// count reads a whole number from 1 to most; the fallback where there is none.
func (d *decoder) count(m *mapping, name string, fallback, most int64) int64 {
	value := d.text(m, name)
	if value.text == "" {
		return fallback
	}
	number, err := strconv.ParseInt(value.text, 10, 64)
	if err != nil || number < 1 || number > most {
		d.errorAt(value.at, "%s must be a whole number from 1 to %d, not %s", name, most, quote(value.text))
		return fallback
	}
	return number
}

// choose reads one of the allowed words; the fallback where there is none.
func choose[T ~string](d *decoder, m *mapping, name string, fallback T, allowed []T) T {
	value := T(d.checkedText(m, name, func(text string) string { return oneOf(name, text, allowed) }))
	if slices.Contains(allowed, value) {
		return value
	}
	return fallback
}

// memoryBytes reads a number of bytes with or without a unit.
func memoryBytes(text string) (int64, bool) {
	parts := memoryExpression.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	number, err := strconv.ParseInt(parts[1], 10, 64)
	unit := map[string]int64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}[parts[2]]
	if err != nil || number > math.MaxInt64/unit {
		return 0, false
	}
	return number * unit, true
}

// cpuShare reads a number of processors, or of thousandths of one.
func cpuShare(text string) (float64, bool) {
	if !cpuExpression.MatchString(text) {
		return 0, false
	}
	number, thousandths := strings.CutSuffix(text, "m")
	share, err := strconv.ParseFloat(number, 64)
	if thousandths {
		share /= 1000
	}
	return share, err == nil && share >= minCPU && share <= maxCPU
}
