//go:build !race

package replay

const lives = "20"
