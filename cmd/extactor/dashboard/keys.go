package dashboard

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// press does what a key means now.
func (m *Model) press(key tea.KeyPressMsg) tea.Cmd {
	name := key.String()
	if name == "ctrl+c" {
		return tea.Quit
	}

	m.notice = ""

	switch {
	case m.helping:
		m.helping = false

		return nil
	case m.asked != nil:
		return m.confirm(name)
	case m.typing:
		m.typeFilter(name, key.Text)

		return nil
	case name == "q":
		return tea.Quit
	case m.alone && m.pressAlone(name), m.pressList(name):
		return nil
	default:
		return m.pressAnywhere(name)
	}
}

// confirm asks until the answer is clear.
func (m *Model) confirm(name string) tea.Cmd {
	switch name {
	case "y", "Y":
		order := *m.asked
		m.asked = nil

		return m.command(order)
	case "n", "N", "esc", "q":
		m.asked = nil
	}

	return nil
}

// typeFilter takes a key while the filter is being typed. Every change counts at once.
func (m *Model) typeFilter(name, text string) {
	switch name {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		if runes := []rune(m.filter); len(runes) > 0 {
			m.filter = string(runes[:len(runes)-1])
		} else {
			m.typing = false
		}
	case "ctrl+u":
		m.filter = ""
	case "ctrl+w":
		words := strings.Fields(m.filter)
		m.filter = strings.Join(words[:max(len(words)-1, 0)], " ")
	case "up", "down":
		m.pressList(name)
	default:
		if len(m.filter) < longestFilter && (text == " " || clean(text) == text) {
			m.filter += text
		}
	}

	m.arrange()
}

// longestFilter is in bytes; nothing that is longer is meant.
const longestFilter = 100

// pressAlone scrolls what is shown of one service alone; whether the key means that.
func (m *Model) pressAlone(name string) bool {
	page := max(m.layout().panel-1, 1)

	switch name {
	case "up", "k":
		m.scroll(1)
	case "down", "j":
		m.scroll(-1)
	case "pgup", "ctrl+b":
		m.scroll(page)
	case "pgdown", "ctrl+f", "space":
		m.scroll(-page)
	case "home", "g":
		m.scroll(mostLines)
	case "end", "G":
		m.scroll(-mostLines)
	case "left", "h":
		m.choose(m.row - 1)
	case "right", "l":
		m.choose(m.row + 1)
	default:
		return false
	}

	return true
}

// pressList moves the selection; whether the key means that.
func (m *Model) pressList(name string) bool {
	page := max(m.layout().list-1, 1)

	switch name {
	case "up", "k":
		m.choose(m.row - 1)
	case "down", "j":
		m.choose(m.row + 1)
	case "pgup", "ctrl+b":
		m.choose(m.row - page)
	case "pgdown", "ctrl+f", "space":
		m.choose(m.row + page)
	case "home", "g":
		m.choose(0)
	case "end", "G":
		m.choose(len(m.rows) - 1)
	default:
		return false
	}

	return true
}

func (m *Model) pressAnywhere(name string) tea.Cmd {
	switch name {
	case "enter":
		m.alone = !m.alone && m.selected != ""
	case "tab", "shift+tab":
		m.tab = (m.tab + 1) % tabs
	case "esc":
		if m.alone {
			m.alone = false
		} else {
			m.filter = ""
			m.arrange()
		}
	case "/":
		m.typing, m.alone = true, false
	case "o":
		m.troubleFirst = !m.troubleFirst
		m.arrange()
	case "?":
		m.helping = true
	case "s":
		m.ask("start")
	case "S", "t":
		m.ask("stop")
	case "r":
		m.ask("restart")
	}

	return nil
}

// ask wants an order to be confirmed.
func (m *Model) ask(action string) {
	switch {
	case m.selected == "":
	case m.away != "":
		m.say(fmt.Sprintf("cannot %s %s: no daemon answers", action, m.selected), true)
	default:
		m.asked = &order{id: m.selected, action: action}
	}
}
