package main

import (
	"fmt"
	"strings"
)

// keyCost is the median of a use of a key; false if it was not measured.
func (r *Result) keyCost(library, use string, size int) (KeyRun, bool) {
	var runs []KeyRun
	for _, x := range r.Keys {
		if x.Library == library && x.Use == use && x.Size == size {
			runs = append(runs, x)
		}
	}
	if len(runs) == 0 {
		return KeyRun{}, false
	}
	k := runs[0]
	k.Nanos = median(runs, func(x KeyRun) float64 { return x.Nanos })
	k.Allocs = median(runs, func(x KeyRun) float64 { return x.Allocs })
	k.Bytes = median(runs, func(x KeyRun) float64 { return x.Bytes })
	return k, true
}

func (r *Result) keyParts(use string, micros, allocs float64) []part {
	var parts []part
	for _, size := range keySizes() {
		name := fmt.Sprintf("µs %s %d KiB", use, size>>10)
		k, ok := r.keyCost("nonstick", use, size)
		if !ok {
			parts = append(parts, part{text: name})
			continue
		}
		p, q := atMost(k.Nanos/1000, micros, "%.1f", name), atMost(k.Allocs, allocs, "%.0f", "allocations")
		parts = append(parts, part{text: p.text + " with " + q.text, there: true, ok: p.ok && q.ok})
	}
	return parts
}

func (r *Result) keyPeers() string {
	var texts []string
	for _, use := range []string{"read", "change"} {
		for _, size := range keySizes() {
			if k, ok := r.keyCost("scs", use, size); ok {
				texts = append(texts, fmt.Sprintf("%.0f", k.Nanos/1000))
			}
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return strings.Join(texts, " / ") + " µs scs"
}

// memoryOf is what Redis needs; 0 if it was not measured.
func (r *Result) memoryOf(how string, size int) float64 {
	for _, m := range r.Memory {
		if m.How == how && m.Size == size {
			return float64(m.Bytes)
		}
	}
	return 0
}

func (r *Result) memoryParts() []part {
	own, hand := r.variant("nonstick-goredis").Memory, r.variant("raw-goredis").Memory
	parts := []part{{text: "1 KiB"}}
	if own > 0 && hand > 0 {
		parts[0] = atMost(float64(own)/float64(hand), 1.16, "%.2f", "1 KiB")
	}
	for _, goal := range []struct {
		size    int
		smaller float64
	}{{4 << 10, 1.9}, {64 << 10, 2.6}} {
		p := part{text: fmt.Sprintf("%d KiB zstd", goal.size>>10)}
		if packed := r.memoryOf("zstd", goal.size); packed > 0 {
			p = atLeast(r.memoryOf(rawString, goal.size)/packed, goal.smaller, "%.1f", p.text)
		}
		parts = append(parts, p)
	}
	return parts
}

func (r *Result) memoryPeers() string {
	hand := r.variant("raw-goredis").Memory
	name, least := "", 0.0
	for _, v := range r.Variants {
		if x := float64(v.Memory) / float64(max(1, hand)); isPeer(v.Name, nil) && v.Floor == "raw-goredis" && (name == "" || x < least) {
			name, least = v.Name, x
		}
	}
	if name == "" {
		return ""
	}
	return fmt.Sprintf("%.2f %s", least, name)
}
