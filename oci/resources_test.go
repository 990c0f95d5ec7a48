package oci

import (
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/extactor/extactor/spec"
)

func TestResources(t *testing.T) {
	memory, pids := int64(64<<20), int64(12)
	quota := func(quota int64) *specs.LinuxCPU {
		period := uint64(100_000)

		return &specs.LinuxCPU{Quota: &quota, Period: &period}
	}

	for name, row := range map[string]struct {
		given spec.Resources
		want  specs.LinuxResources
	}{
		"none":          {spec.Resources{}, specs.LinuxResources{}},
		"memory":        {spec.Resources{Memory: memory}, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}}},
		"half of a CPU": {spec.Resources{CPU: 0.5}, specs.LinuxResources{CPU: quota(50_000)}},
		"CPUs":          {spec.Resources{CPU: 2.25}, specs.LinuxResources{CPU: quota(225_000)}},
		"rounded":       {spec.Resources{CPU: 0.29}, specs.LinuxResources{CPU: quota(29_000)}}, // 28999.999... as a float
		"the least":     {spec.Resources{CPU: 0.001}, specs.LinuxResources{CPU: quota(1_000)}},
		"pids":          {spec.Resources{PIDs: pids}, specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &pids}}},
		"all": {
			spec.Resources{Memory: memory, CPU: 1, PIDs: pids},
			specs.LinuxResources{
				Memory: &specs.LinuxMemory{Limit: &memory}, CPU: quota(100_000), Pids: &specs.LinuxPids{Limit: &pids},
			},
		},
	} {
		service := &spec.Service{Name: "x", Container: spec.Container{Entrypoint: "x"}, Extactor: spec.Extactor{Resources: row.given}}

		generated, err := Generate(service, fixedHost(), nil, nil)
		if err != nil {
			t.Fatal(err)
		}

		// The device rule and whatever else containerd sets by default stay.
		want := *specOf(t, spec.Container{Entrypoint: "x"}).Linux.Resources
		if row.want.Memory != nil {
			want.Memory = row.want.Memory
		}

		if row.want.CPU != nil {
			want.CPU = row.want.CPU
		}

		if row.want.Pids != nil {
			want.Pids = row.want.Pids
		}

		equal(t, name, *generated.Linux.Resources, want)
	}
}
