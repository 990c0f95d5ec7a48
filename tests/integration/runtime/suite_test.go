package runtime_test

import (
	"testing"

	"github.com/extactor/extactor/actors/actorstest"
	"github.com/extactor/extactor/oci"
	"github.com/extactor/extactor/service"
)

func task(id string, attempt uint64) service.Task { return service.Task{ID: id, Attempt: attempt} }

func TestEmbeddedContainerd(t *testing.T) {
	actorstest.RuntimeSuite(t, func(t *testing.T) actorstest.Harness { return newHarness(t, oci.Embedded) })
}

func TestHostContainerd(t *testing.T) {
	address := hostContainerd(t)

	actorstest.RuntimeSuite(t, func(t *testing.T) actorstest.Harness { return newHarness(t, address) })
}
