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
	return best
}

// editDistance is the Levenshtein distance of two words, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
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
