package oci

import (
	"errors"
	"fmt"
)

// mostTold is how many of the errors about many containers are told: they mostly say the same.
const mostTold = 3

// few joins errors, and only counts those that would be too many.
func few(problems []error) error {
	var told []error

	more := 0

	for _, problem := range problems {
		switch {
		case problem == nil:
		case len(told) < mostTold:
			told = append(told, problem)
		default:
			more++
		}
	}

	if more > 0 {
		told = append(told, fmt.Errorf("and %d more", more))
	}

	return errors.Join(told...)
}
