package projections

import (
	"streamstack/events"
	"streamstack/projections/snapshot"
)

// Schema implements [State].
func (m *Agents) Schema() snapshot.Schema { return snapshot.SchemaOf(agentsVersion, Agent{}) }

// Dump implements [State].
func (m *Agents) Dump() []byte {
	w := snapshot.NewWriter(0)
	w.Uint(uint64(m.at))
	w.Uint(uint64(len(m.byKey)))
	for _, a := range m.List() {
		w.Text(string(a.ID))
		w.Word(string(a.Region))
		w.Word(a.Driver)
		w.Int(int64(a.Slots))
		w.Word(a.Version)
		dumpList(w, a.Applications, func(x events.ApplicationData) {
			w.Word(x.Name)
			dumpList(w, x.Versions, func(v int) { w.Int(int64(v)) })
			dumpScreen(w, x.Screen)
		})
		dumpList(w, a.GPUs, func(x events.GPUData) {
			w.Word(x.Vendor)
			w.Word(x.Device)
		})
		w.Bool(a.Online)
		w.Time(a.Since)
		w.Bool(a.Draining)
		w.Text(a.DrainBy)
		w.Time(a.DrainUntil)
	}
	return w.Bytes()
}

// Restore implements [State].
func (m *Agents) Restore(state []byte) error {
	at, rows, err := restoreRows(state, func(r *snapshot.Reader) (string, Agent) {
		a := Agent{ID: events.AgentID(r.Text()), Region: events.Region(r.Word())}
		a.OnlineData = events.OnlineData{Driver: r.Word(), Slots: int(r.Int()), Version: r.Word(),
			Applications: restoreList(r, func() events.ApplicationData {
				return events.ApplicationData{
					Name: r.Word(), Versions: restoreList(r, func() int { return int(r.Int()) }), Screen: restoreScreen(r),
				}
			}), GPUs: restoreList(r, func() events.GPUData { return events.GPUData{Vendor: r.Word(), Device: r.Word()} })}
		a.Online, a.Since = r.Bool(), r.Time()
		a.Draining, a.DrainBy, a.DrainUntil = r.Bool(), r.Text(), r.Time()
		return string(a.Region) + "." + string(a.ID), a
	})
	if err != nil {
		return err
	}
	*m = Agents{at: at, byKey: rows}
	return nil
}

// Schema implements [State].
func (m *Accounts) Schema() snapshot.Schema { return snapshot.SchemaOf(accountsVersion, Account{}) }

// Dump implements [State].
func (m *Accounts) Dump() []byte {
	w := snapshot.NewWriter(0)
	w.Uint(uint64(m.at))
	w.Uint(uint64(len(m.byName)))
	for _, a := range m.List() {
		w.Text(a.Name)
		w.Text(a.TokenID)
		w.Word(a.Expiry)
		w.Word(a.Scopes)
		w.Time(a.Created)
		w.Bool(a.Expired)
	}
	return w.Bytes()
}

// Restore implements [State].
func (m *Accounts) Restore(state []byte) error {
	at, rows, err := restoreRows(state, func(r *snapshot.Reader) (string, Account) {
		a := Account{Name: r.Text(), TokenID: r.Text(), Expiry: r.Word(), Scopes: r.Word(), Created: r.Time(), Expired: r.Bool()}
		return a.Name, a
	})
	if err != nil {
		return err
	}
	*m = Accounts{at: at, byName: rows}
	return nil
}
