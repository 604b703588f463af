package bots_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/bots"
)

func TestPeople(t *testing.T) {
	t.Parallel()
	list := bots.Default()
	for _, agent := range []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 380.0.0.1",
		"Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Linux; Android 10; CUBOT_X30 Build/QP1A.190711.020) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Linux; Android 13; CUBOT KINGKONG 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (Linux; U; Android 4.4.2; xx; CUBOT S208 Build/KOT49H) AppleWebKit/534.30 Version/4.0 Mobile Safari/534.30",
		"Mozilla/5.0 (Linux; Android 12; M2101) AppleWebKit/537.36 Chrome/120 YaApp_Android/23.1 YandexSearch/23.1 Mobile Safari/537.36",
		"Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; .NET CLR 3.5.30729)",
		"Opera/9.80 (J2ME/MIDP; Opera Mini/7.1/191; U; en) Presto/2.12.423 Version/12.16",
		"okhttp/4.12.0",
	} {
		if list.Match(agent) {
			t.Errorf("a robot: %s", agent)
		}
	}
}

func TestRobots(t *testing.T) {
	t.Parallel()
	list := bots.Default()
	for _, agent := range []string{
		"", " ", "Mozilla", "Mozilla/5.0",
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"Mozilla/5.0 (Linux; Android 10; CUBOT_X30) Chrome/120 Mobile Safari/537.36 (compatible; Googlebot/2.1)",
		"Mozilla/5.0 (compatible; YandexMetrika/2.0; +http://yandex.com/bots)",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
		"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
		"Mozilla/5.0 (compatible; Claude-User/1.0; +Claude-User@anthropic.com)",
		"meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
		"Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider)",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36",
		"Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
		"curl/8.14.1", "Wget/1.25.0", "Java/21.0.2", "python-requests/2.32.3", "Go-http-client/2.0", "ELB-HealthChecker/2.0",
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "WhatsApp/2.23.20.0", "kube-probe/1.31",
		"check_http/v2.4 (nagios 2.4)", "UptimeRobot/2.0",
		"Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)",
	} {
		if !list.Match(agent) {
			t.Errorf("a person: %s", agent)
		}
	}
}

// Every pattern must be able to match: the header is in lower case when it is compared.
func TestPatternsCanMatch(t *testing.T) {
	t.Parallel()
	list := bots.Default()
	for _, p := range slices.Concat(list.People, list.Exact, list.Prefixes, list.Parts) {
		if p == "" || p != strings.ToLower(p) {
			t.Errorf("pattern %q can match nothing, or everything", p)
		}
	}
	for _, p := range slices.Concat(list.Prefixes, list.Parts) {
		if !list.Match(p + " x") {
			t.Errorf("pattern %q does not match", p)
		}
	}
}

// A header of any length is answered, and only its beginning is looked at.
func TestLongHeader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Mozilla/5.0 (Linux; Android 10) ", 4000)
	if list := bots.Default(); list.Match(long) || !list.Match("bot "+long) {
		t.Error("want a person and a robot")
	}
}

func TestSilent(t *testing.T) {
	t.Parallel()
	list := bots.Default()
	if !list.IsBot(http.Header{}) || list.IsBot(http.Header{"User-Agent": {"Firefox/140", "curl"}}) {
		t.Error("want a robot without a header, and a person by the first of two")
	}
	list.Silent = false
	if list.IsBot(http.Header{}) || list.Match("") {
		t.Error("want a person without a header")
	}
}

func BenchmarkMatch(b *testing.B) {
	list := bots.Default()
	b.ReportAllocs()
	for b.Loop() {
		list.Match("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36")
	}
}
