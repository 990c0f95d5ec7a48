package oci

import (
	"errors"
	"fmt"
	"testing"
)

func TestFewErrorsAreTold(t *testing.T) {
	if err := few([]error{nil, nil}); err != nil {
		t.Errorf("of nothing: %v", err)
	}

	var problems []error
	for number := range 5 {
		problems = append(problems, nil, fmt.Errorf("problem %d", number))
	}

	equal(t, "five", few(problems).Error(), "problem 0\nproblem 1\nproblem 2\nand 2 more")
	equal(t, "three", few(problems[:6]).Error(), "problem 0\nproblem 1\nproblem 2")

	if !errors.Is(few(problems), problems[3]) {
		t.Error("it is not known any more what they are")
	}
}
