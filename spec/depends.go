package spec

import (
	"fmt"
	"slices"
	"strings"
)

func (d *decoder) dependencies(m *mapping, s *Service) []Dependency {
	var depends []Dependency
	for _, node := range d.list(m, "depends", "dependencies") {
		if each := d.mapping(dependencySection, node); each != nil {
			dependency := d.dependency(each)
			if s.Name != "" && dependency.Service == s.ID() && len(dependency.set()) == 1 {
				d.warnAt(d.text(each, "service").at, "the service waits for itself, so it never starts")
			}
			d.unknownFields(each)
			depends = append(depends, dependency)
		} else if d.absent(node) {
			d.errorAt(startOf(node), "this item of depends is empty: it needs %s", dependencySection.choice())
		}
	}
	return depends
}

// dependency reads the fields that say what is depended on.
func (d *decoder) dependency(m *mapping) Dependency {
	before := len(d.problems)
	dependency := Dependency{
		Service:       d.text(m, "service").text,
		Path:          d.checkedText(m, "path", absolutePath),
		Network:       d.checkedTexts(m, "network", "network checks ("+strings.Join(networkChecks, ", ")+")", validNetwork),
		Time:          d.flag(m, "time"),
		Configuration: d.flag(m, "configuration"),
	}
	set := dependency.set()
	title := strings.TrimPrefix(m.section.title, "an ")
	switch {
	case len(set) > 1:
		d.errorAt(m.at, "one %s sets %s: it needs %s, so make an item of each", title, strings.Join(set, " and "), m.section.choice())
	case len(set) == 0 && len(d.problems) == before && len(m.unknown) > 0:
		unknown := m.unknown[0]
		m.unknown = m.unknown[1:]
		d.errorAt(unknown.key, "unknown dependency %s: %s", quote(unknown.name), d.hint(unknown.name, m.section))
	case len(set) == 0 && len(d.problems) == before:
		d.errorAt(m.at, "this %s sets nothing: it needs %s", title, m.section.choice())
	}
	return dependency
}

// set names the fields of a dependency that are set.
func (d Dependency) set() []string {
	var set []string
	for i, given := range []bool{d.Service != "", d.Path != "", len(d.Network) > 0, d.Time, d.Configuration} {
		if given {
			set = append(set, dependencyNames[i])
		}
	}
	return set
}

// dependencyOptions reads the further demands, and finds for each the item of depends that it is about. Where not all of
// depends could be read, one that is not found is no mistake of its own.
func (d *decoder) dependencyOptions(ours *mapping, s *Service, dependsWrong bool) []DependencyOptions {
	var all []DependencyOptions
	lines := make(map[string]int) // where each item of depends got its demands
	for _, node := range d.list(ours, "depends", "further demands on items of depends") {
		each := d.mapping(optionsSection, node)
		if each == nil {
			if d.absent(node) {
				d.errorAt(startOf(node), "this item of extactor.depends is empty: it needs %s", optionsSection.choice())
			}
			continue
		}
		before := len(d.problems)
		options := d.demands(each)
		if len(d.problems) == before {
			if !d.match(&options, s.Depends) && !dependsWrong {
				d.unmatched(each, options.Dependency, s.Depends)
			}
			key := options.Dependency.named()
			if earlier := lines[key]; earlier != 0 {
				d.errorAt(each.at, "%s has further demands on line %d already: each item of depends may have them once", key, earlier)
			}
			lines[key] = d.lineOf(each.at)
		}
		d.unknownFields(each)
		all = append(all, options)
	}
	return all
}

func (d *decoder) demands(m *mapping) DependencyOptions {
	before := len(d.problems)
	options := DependencyOptions{
		Dependency: d.dependency(m),
		Timeout:    d.duration(m, "timeout", 0, validDuration),
		OnTimeout:  choose(d, m, "onTimeout", TimeoutWaits, timeoutActions),
	}
	until, onTimeout := m.fields["until"], m.fields["onTimeout"]
	service := options.Dependency.Service
	switch {
	case service != "":
		options.Until = choose(d, m, "until", UntilUp, dependencyUntils)
	case !d.absent(until.value):
		d.errorAt(until.key, "until is for services only: nothing else is ever up or completed")
	}
	timed := !d.absent(m.fields["timeout"].value)
	if options.Until == UntilCompleted && !strings.HasPrefix(service, "ext-") {
		d.warnAt(until.key, "only an extension service (ext-...) completes; %s never does", quote(service))
	}
	if !timed && !d.absent(onTimeout.value) {
		d.warnAt(onTimeout.key, "onTimeout means nothing without timeout")
	} else if !timed && d.absent(until.value) && len(d.problems) == before {
		d.warnAt(m.at, "this item of extactor.depends demands nothing: until or timeout is missing")
	}
	return options
}

// match replaces the dependency of the options by the item of depends that says the same; the order in which the checks
// of the network stand does not matter.
func (d *decoder) match(options *DependencyOptions, depends []Dependency) bool {
	for _, item := range depends {
		if item.demandsWhat(options.Dependency) {
			options.Dependency = item
			return true
		}
	}
	return false
}

// unmatched reports further demands on what depends does not have.
func (d *decoder) unmatched(m *mapping, wanted Dependency, depends []Dependency) {
	var known []string
	for _, item := range depends {
		known = append(known, item.named())
	}
	hint := "depends has no items"
	if best := nearest(wanted.named(), known); best != "" {
		hint = "did you mean " + best + "?"
	} else if len(known) > 0 {
		hint = "depends has " + strings.Join(known, ", ")
	}
	d.errorAt(m.at, "no item of depends has %s: %s", wanted.named(), hint)
}

// demandsWhat tells whether both depend on the same.
func (d Dependency) demandsWhat(other Dependency) bool {
	return d.Service == other.Service && d.Path == other.Path && d.Time == other.Time &&
		d.Configuration == other.Configuration && slices.Equal(sortedChecks(d), sortedChecks(other))
}

// sortedChecks returns the checks of the network, each once.
func sortedChecks(d Dependency) []string {
	return slices.Compact(slices.Sorted(slices.Values(d.Network)))
}

// named says in a message which dependency it is.
func (d Dependency) named() string {
	switch {
	case d.Service != "":
		return fmt.Sprintf("service %q", d.Service)
	case d.Path != "":
		return fmt.Sprintf("path %q", d.Path)
	case len(d.Network) > 0:
		return fmt.Sprintf("network [%s]", strings.Join(d.Network, ", "))
	}
	return strings.Join(d.set(), ", ")
}
