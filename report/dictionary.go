package report

// dictionary numbers values, each once.
type dictionary struct {
	numbers map[any]int
	values  []any // by number
}

func (d *dictionary) index(value any) int {
	number, known := d.numbers[value]
	if known {
		return number
	}

	if d.numbers == nil {
		d.numbers = map[any]int{}
	}

	number = len(d.values)
	d.numbers[value] = number
	d.values = append(d.values, value)

	return number
}
