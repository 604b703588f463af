package bots

func people() []string {
	return []string{
		"cubot",        // phones
		"yandexsearch", // apps with a browser in them
		"yandexbrowser",
	}
}

// seedPrefixes and seedParts are the patterns of php-redis-session-abstract.
func seedPrefixes() []string {
	return []string{
		"alexa", "blitz.io", "browsermob", "curl", "facebookexternalhit", "ia_archiver", "java", "libwww-perl", "load impact",
		"magespeedtest", ".net", "pinterest", "wget", "elb-healthchecker",
	}
}

func seedParts() []string {
	return []string{
		"bot", "crawl", "feed", "google web preview", "indexer", "jakarta", "monitor", "nagios ", "postrank", "slurp", "spider",
		"uptime", "yandex", "binglocalsearch",
	}
}

// libraries are programs that fetch pages for somebody else. The ones that apps of people are made with (okhttp, CFNetwork)
// are not here.
func libraries() []string {
	return []string{
		"python", "aiohttp", "httpx", "scrapy", "go-http-client", "node", "axios", "undici", "got (", "ruby", "faraday", "perl",
		"lwp", "guzzlehttp", "php", "symfony httpclient", "apache-httpclient", "httpie", "postmanruntime", "libcurl", "powershell",
		"mechanize", "colly", "reqwest", "httpunit", "dart",
	}
}

// previews fetch what somebody has linked to.
func previews() []string {
	return []string{"whatsapp", "viber", "snap url preview", "tumblr", "flipboardproxy", "vkshare", "embedly", "iframely"}
}

// crawlers are those without "bot", "crawl" or "spider" in their name: of search engines, archives, and for language models.
func crawlers() []string {
	return []string{
		"chatgpt-user", "anthropic-ai", "claude-user", "claude-web", "cohere-ai", "perplexity-user", "mistralai-user",
		"meta-externalagent", "meta-externalfetcher", "meta-webindexer", "facebookcatalog", "googleother", "google-inspectiontool",
		"google-extended", "google-read-aloud", "google-safety", "google-agent", "google-cloudvertex", "google-notebooklm",
		"google favicon", "google-site-verification", "mediapartners-google", "apis-google", "storebot", "duplexweb", "bingpreview",
		"skypeuripreview", "quora link preview", "omgili", "webzio", "timpi", "iaskspider", "img2dataset", "archive.org", "heritrix",
		"httrack", "ahrefs", "semrush", "dataprovider", "netcraft", "ltx71", "siteaudit", "daum", "yeti/", "coccoc", "ichiro",
		"w3c_validator", "validator.nu", "w3c-checklink",
	}
}

// monitors measure sites, and are browsers without a person in front of them.
func monitors() []string {
	return []string{
		"headlesschrome", "phantomjs", "slimerjs", "lighthouse", "pagespeed", "gtmetrix", "webpagetest", "ptst/", "pingdom",
		"statuscake", "site24x7", "newrelicpinger", "datadog", "checkly", "kube-probe", "googlehc", "amazon-route53", "cloudflare-health",
		"zabbix", "prometheus", "dynatrace", "catchpoint",
	}
}

// scanners look for holes.
func scanners() []string {
	return []string{
		"zgrab", "masscan", "nmap ", "nikto", "sqlmap", "nuclei", "wpscan", "nessus", "qualys", "acunetix", "burp", "censys", "shodan",
		"expanse", "paloalto", "internet-measurement", "securitytrails", "leakix",
	}
}
