package main

import (
	"image/color"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// plot draws one picture for each workload: the ratio of requests a second, best at the top.
func (r *Result) plot(out string) error {
	for _, w := range workloads() {
		counts := r.clientsOf(w.name)
		if len(counts) == 0 {
			continue
		}
		if err := r.bars(filepath.Join(out, w.name+".svg"), w.name, counts[len(counts)-1]); err != nil {
			return err
		}
	}
	return nil
}

func (r *Result) bars(path, workload string, clients int) error {
	type bar struct {
		name  string
		value float64
	}
	var bars []bar
	for _, v := range r.Variants {
		if c, ok := r.cell(v.Name, workload, clients); ok && c.rate > 0 && c.ratioOf != v.Name {
			bars = append(bars, bar{v.Name, c.rate})
		}
	}
	if len(bars) == 0 {
		return nil
	}
	slices.SortStableFunc(bars, func(a, b bar) int { return int(1e6 * (a.value - b.value)) })
	ours, others, names := make(plotter.Values, len(bars)), make(plotter.Values, len(bars)), make([]string, len(bars))
	for i, x := range bars {
		names[i] = x.name
		if strings.HasPrefix(x.name, "nonstick") {
			ours[i] = x.value
		} else {
			others[i] = x.value
		}
	}
	p := plot.New()
	p.Title.Text = titles()[workload]
	p.X.Label.Text = "requests a second, 1 = the same by hand"
	p.X.Min = 0
	for _, set := range []struct {
		values plotter.Values
		color  color.Color
	}{{ours, color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}}, {others, color.Gray{0xaa}}} {
		chart, err := plotter.NewBarChart(set.values, vg.Points(12))
		if err != nil {
			return err
		}
		chart.Horizontal, chart.Color, chart.LineStyle.Width = true, set.color, 0
		p.Add(chart)
	}
	p.NominalY(names...)
	return p.Save(16*vg.Centimeter, vg.Length(2.5+0.65*float64(len(bars)))*vg.Centimeter, path)
}
