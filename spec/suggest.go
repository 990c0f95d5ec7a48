package spec

import (
	"strconv"
	"strings"
	"unicode"
)

// nearest returns the candidate that was most likely meant by a misspelt word, or "".
func nearest(word string, candidates []string) string {
	const longest = 40 // nobody misspells a field at that length; it keeps the comparison cheap
	if len(word) > longest {
		return ""
	}
	best, bestDistance := "", 1+min(max(1, len(word)/2), 3)
	for _, candidate := range candidates {
		if distance := editDistance(strings.ToLower(word), strings.ToLower(candidate)); distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	if best == "" {
		return shortened(word, candidates)
	}
	return best
}

// shortened returns the one candidate that begins with a word of some length, or "".
func shortened(word string, candidates []string) string {
	const shortest = 4
	best := ""
	for _, candidate := range candidates {
		if len(word) < shortest || !strings.HasPrefix(strings.ToLower(candidate), strings.ToLower(word)) {
			continue
		}
		if best != "" {
			return ""
		}
		best = candidate
	}
	return best
}

// editDistance is how many letters must be changed, added, left out or swapped with their neighbour to make one word of
// the other, in bytes: their optimal string alignment distance.
func editDistance(a, b string) int {
	var before []int // the row before the row above
	above := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			row[j+1] = min(above[j+1], row[j]) + 1
			if a[i] == b[j] {
				row[j+1] = min(row[j+1], above[j])
			} else {
				row[j+1] = min(row[j+1], above[j]+1)
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}

// printable keeps what a file contains from breaking the line of a message or from moving the cursor of a terminal.
func printable(message string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return unicode.ReplacementChar
	}, message)
}

// quote shortens what a file says, so that a message stays one readable line.
func quote(text string) string {
	const longest = 60
	runes := []rune(text)
	if len(runes) > longest {
		return strconv.Quote(string(runes[:longest])) + "..."
	}
	return strconv.Quote(text)
}
