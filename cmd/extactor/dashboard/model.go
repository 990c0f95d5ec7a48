package dashboard

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// feed is the daemon, as the model talks to it. What it has to say comes as messages.
type feed interface {
	// want says what to send from now on. It returns at once.
	want(wants wants)
	// give gives an order and waits until it is carried out.
	give(order order) answerMsg
}

// wants are what the screen shows, besides the table.
type wants struct {
	followed string   // id of the service whose events are shown; empty: none is
	printed  bool     // it has a log
	measured []string // ids of the services whose use of the host is shown
}

// order is what a person wants done to a service.
type order struct{ id, action string }

// tickMsg keeps ages true.
type tickMsg struct{}

func tick() tea.Cmd { return tea.Tick(time.Second, func(time.Time) tea.Msg { return tickMsg{} }) }

// tab is what the panel below the table shows.
type tab int

const (
	eventsTab tab = iota
	logTab
	tabs
)

// Model is all that the dashboard knows. It implements tea.Model.
type Model struct {
	feed    feed
	options Options
	glyphs  glyphs

	width, height int
	now           Clock // of the last message

	services map[string]*apiv1.Service
	rejected []*apiv1.RejectedFile
	usage    map[string]meter
	pictured bool   // services were told once
	away     string // why no daemon answers; empty while one does
	since    Clock  // when it went away

	rows         []string // ids in the order of the table
	selected     string   // id
	row          int      // of the selected one
	top          int      // the first row that is shown
	filter       string
	typing       bool // the filter is being typed
	troubleFirst bool

	tab   tab
	alone bool // the selected service is shown alone
	past  pastEvents
	log   logLines

	asked   *order // is to be confirmed
	helping bool

	notice       string // what became of an order
	noticeFailed bool
	noticeAt     Clock

	wanted wants
}

func newModel(options Options, feed feed) *Model {
	return &Model{
		feed: feed, options: options, glyphs: glyphsOf(options.ASCII), now: options.Clock(),
		services: map[string]*apiv1.Service{}, usage: map[string]meter{},
	}
}

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd { return tick() }

// Update implements tea.Model.
func (m *Model) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	m.now = m.options.Clock()
	command := m.take(message)
	m.settle()

	return m, command
}

func (m *Model) take(message tea.Msg) tea.Cmd {
	switch message := message.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = message.Width, message.Height

		return redraw
	case tea.KeyPressMsg:
		return m.press(message)
	case tickMsg:
		return tick()
	case pictureMsg:
		m.picture(message)
	case awayMsg:
		if m.away == "" {
			m.since = m.now
		}

		m.away = message.reason
	case usageMsg:
		m.measured(message)
	case eventsMsg:
		m.happened(message)
	case logMsg:
		m.printed(message)
	case answerMsg:
		m.say(message.text, message.failed)
	}

	return nil
}

// say shows what became of an order, for a while.
func (m *Model) say(text string, failed bool) {
	m.notice, m.noticeFailed, m.noticeAt = clean(text), failed, m.now
}

// noticeStays is how long a notice is shown where no key is pressed.
const noticeStays = 8 * time.Second

// settle brings in line what follows from the rest, after each message.
func (m *Model) settle() {
	if m.notice != "" && m.now.BootNS-m.noticeAt.BootNS > int64(noticeStays) {
		m.notice = ""
	}

	list := m.layout().list
	m.top = min(max(m.top, m.row-list+1), m.row) // the selected row is in sight
	m.top = max(min(m.top, len(m.rows)-list), 0) // and no room is left empty

	if next := m.wants(); !next.equal(m.wanted) {
		if next.followed != m.wanted.followed {
			m.past, m.log = pastEvents{}, logLines{}
		}

		m.wanted = next
		m.feed.want(next)
	}
}

// redraw draws all of a screen whose size has changed. What was drawn for the size before may have come after the terminal
// took the new one, and then has left scrolling margins of the size before.
var redraw = tea.Sequence(tea.Raw(ansi.SetTopBottomMargins(0, 0)), tea.ClearScreen)

// command lets the feed give an order, and says so.
func (m *Model) command(order order) tea.Cmd {
	m.say(fmt.Sprintf("asked to %s %s", order.action, order.id), false)

	return func() tea.Msg { return m.feed.give(order) }
}
