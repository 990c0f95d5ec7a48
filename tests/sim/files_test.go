package sim_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/extactor/extactor/actors"
	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/condition"
	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/spec"
)

var (
	hosts     = []string{"cri", "udevd"}
	changes   = []spec.ConfigChange{spec.ConfigRestarts, spec.ConfigSignals, spec.ConfigIgnored}
	onTimeout = []spec.TimeoutAction{spec.TimeoutWaits, spec.TimeoutSkips, spec.TimeoutFails}
	onFailure = []spec.HealthFailure{spec.HealthFailureNone, spec.HealthFailureRestart}
)

func id(number int) string { return fmt.Sprintf("ext-s%d", number) }

func source(number int) string { return fmt.Sprintf("/files/s%d.yaml", number) }

// idOf is the id of the service that a file is about.
func idOf(file string) string {
	return "ext-" + strings.TrimSuffix(strings.TrimPrefix(file, "/files/"), ".yaml")
}

// extend gives a file what Talos does not know, and what is not about files and clocks.
func (p *play) extend(file *spec.Service) {
	if p.oneIn(5) {
		file.Depends = append(file.Depends, spec.Dependency{Service: hosts[p.random.IntN(len(hosts))]})
	}

	if p.oneIn(5) {
		file.Depends = append(file.Depends, spec.Dependency{Configuration: true})
	}

	for _, dependency := range file.Depends {
		if !p.oneIn(4) {
			continue
		}

		options := spec.DependencyOptions{Dependency: dependency, Until: spec.UntilUp}
		if dependency.Service != "" && p.oneIn(3) {
			options.Until = spec.UntilCompleted
		}

		if p.coin() {
			options.Timeout = time.Duration(1+p.random.IntN(20)) * time.Second
			options.OnTimeout = onTimeout[p.random.IntN(len(onTimeout))]
		}

		file.Extactor.Depends = append(file.Extactor.Depends, options)
	}

	if p.oneIn(3) {
		file.Extactor.Health = &spec.Health{TCP: fmt.Sprintf("192.0.2.1:%d", 1+p.random.IntN(9)), OnFailure: onFailure[p.random.IntN(2)]}
	}

	if p.coin() {
		file.Extactor.Backoff = spec.Backoff{Initial: time.Second, Max: 10 * time.Second, ResetAfter: 3 * time.Second}
	}

	file.Extactor.OnConfigChange, file.Extactor.ConfigSignal = changes[p.random.IntN(len(changes))], "SIGHUP"
}

// desired is what all files say.
func (p *play) desired() actors.Desired {
	return actors.Desired{
		Services: slices.Clone(p.files), Rejected: slices.Clone(p.rejected), Configs: slices.Clone(p.configs),
	}
}

// reload has the system follow the files, some of which were edited.
func (p *play) reload() {
	for range p.random.IntN(4) {
		p.edit()
	}

	p.Reload(p.desired())
}

// edit lets something happen to the files of one service.
func (p *play) edit() {
	number := p.random.IntN(len(p.policies))
	p.edits++

	index := slices.IndexFunc(p.files, func(file *spec.Service) bool { return file.ID() == id(number) })
	if index < 0 {
		p.restore(number)

		return
	}

	switch p.random.IntN(8) {
	case 0, 1: // gone
		p.files = slices.Delete(slices.Clone(p.files), index, index+1)
	case 2: // it has problems
		p.files = slices.Delete(slices.Clone(p.files), index, index+1)
		p.rejected = append(slices.Clone(p.rejected), &events.SpecRejected{File: source(number), Problems: []string{fmt.Sprintf("%d:1", p.edits)}})
	case 3, 4: // something that matters to the container
		p.change(index, func(file *spec.Service) {
			file.Container.Environment = []string{fmt.Sprintf("CHANGED=%s%d", actorstest.Secret, p.edits)}
		})
	case 5: // all but what the container is made from
		p.change(index, func(file *spec.Service) {
			other := p.file(number)
			file.Depends, file.Extactor = other.Depends, other.Extactor
		})
	default:
		p.configure(number)
	}
}

func (p *play) change(index int, change func(file *spec.Service)) {
	changed := *p.files[index]
	change(&changed)
	p.files = slices.Clone(p.files)
	p.files[index] = &changed
}

// restore makes a file valid that was gone or had problems; sometimes it only goes.
func (p *play) restore(number int) {
	rejected := len(p.rejected)
	p.rejected = slices.DeleteFunc(slices.Clone(p.rejected), func(file *events.SpecRejected) bool { return file.GetFile() == source(number) })

	if len(p.rejected) < rejected && p.oneIn(3) {
		return
	}

	p.files = append(slices.Clone(p.files), p.file(number))
}

// configure adds, changes or deletes the configuration of a service.
func (p *play) configure(number int) {
	name := fmt.Sprintf("s%d", number)
	without := slices.DeleteFunc(slices.Clone(p.configs), func(config *spec.Config) bool { return config.Name == name })

	if len(without) < len(p.configs) && p.oneIn(3) {
		p.configs = without

		return
	}

	made := &spec.Config{Name: name, Files: []spec.ConfigFile{{MountPath: "/etc/config", Content: fmt.Sprint(actorstest.Secret, p.edits)}}}
	if p.oneIn(4) {
		made.Files = append(made.Files, spec.ConfigFile{MountPath: "/etc/more", Content: "more"})
	}

	if p.oneIn(4) {
		made.Environment = []string{fmt.Sprintf("CONFIG=%s%d", actorstest.Secret, p.edits)}
	}

	p.configs = append(without, made)
}

// config is the configuration of a name, nil where there is none.
func (p *play) config(name string) *spec.Config {
	for _, config := range p.configs {
		if config.Name == name {
			return config
		}
	}

	return nil
}

// factOf is what is true about a condition, by the files, the journal and the outside.
func (p *play) factOf(awaited condition.Condition) condition.Fact {
	switch awaited.Kind {
	case condition.Service, condition.Completed:
		view, known := p.System.View(awaited.Name)
		state := p.folded(awaited.Name)

		if slices.Contains(hosts, awaited.Name) {
			return condition.ServiceFact{Registered: known, Up: view.State == events.StateRunning}
		}

		return condition.ServiceFact{Registered: known, Up: known && state.Up(), Completed: known && state.Completed()}
	case condition.Configuration:
		return condition.ConfigurationFact{Exists: p.config(awaited.Name) != nil}
	default:
		return p.Watcher.Fact(awaited)
	}
}
