package service

import "slices"

// Cycle returns the shortest way on which a service waits for itself, "a", "b", "a"; nil where there is none. needs are
// the ids that each service depends on.
func Cycle(id string, needs map[string][]string) []string {
	from := map[string]string{} // whom each one was reached from
	open := []string{id}

	for len(open) > 0 {
		next := open[0]
		open = open[1:]

		for _, needed := range needs[next] {
			if needed == id {
				return trace(id, next, from)
			}

			if _, seen := from[needed]; !seen {
				from[needed] = next
				open = append(open, needed)
			}
		}
	}

	return nil
}

func trace(id, last string, from map[string]string) []string {
	path := []string{id}
	for step := last; step != id; step = from[step] {
		path = append(path, step)
	}

	path = append(path, id)
	slices.Reverse(path)

	return path
}
