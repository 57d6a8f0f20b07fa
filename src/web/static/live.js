/* Keeps the page as it is on the server, while it can be seen; everything works without it. */
"use strict";
(function () {
	var timer = null, busy = false, again = false;
	var here = document.getElementById("live");

	function local(root) {
		root.querySelectorAll("time[datetime]").forEach(function (t) {
			if (!t.title)
				t.title = new Date(t.dateTime).toLocaleString() + " here";
		});
	}

	/* Details that are open, and the focus, survive an exchange of the contents. */
	function exchange(text) {
		var next = new DOMParser().parseFromString(text, "text/html");
		var now = document.getElementById("main"), fresh = next.getElementById("main");
		var as_of = next.getElementById("as-of");
		if (!fresh || now.contains(document.activeElement) && document.activeElement.matches("input, select"))
			return;
		if (as_of)
			document.getElementById("as-of").textContent = as_of.textContent;
		if (fresh.innerHTML === now.innerHTML)
			return;
		now.querySelectorAll("details").forEach(function (d, i) {
			var other = fresh.querySelectorAll("details")[i];
			if (d.open && other)
				other.open = true;
		});
		now.replaceChildren.apply(now, Array.from(fresh.childNodes));
		local(now);
	}

	function load() {
		timer = null;
		if (busy || document.hidden) {
			again = true;
			return;
		}
		busy = true;
		fetch(location.href, { headers: { Accept: "text/html" } })
			.then(function (r) { return r.ok ? r.text() : null; })
			.then(function (text) { if (text) exchange(text); })
			.catch(function () {})
			.then(function () {
				busy = false;
				if (again) {
					again = false;
					soon();
				}
			});
	}

	function soon() {
		if (timer === null)
			timer = setTimeout(load, 600);
	}

	/* The bar and the words of a step that runs, wherever they are shown. */
	function progress(e) {
		var ev = JSON.parse(e.data), d = ev.data || {}, key = ev.run + "/" + ev.asset;
		document.querySelectorAll("[data-progress]").forEach(function (el) {
			var bar = el.querySelector("progress"), text = el.querySelector("span");
			if (el.dataset.progress !== key)
				return;
			if (!bar && d.total) {
				bar = el.insertBefore(document.createElement("progress"), el.firstChild);
				bar.setAttribute("aria-label", d.what || "progress");
			}
			if (!text)
				text = el.appendChild(document.createElement("span"));
			if (bar) {
				bar.max = d.total;
				bar.value = d.done;
			}
			text.textContent = (d.what || "") + " " + d.done + (d.total ? " of " + d.total : "");
		});
	}

	local(document);
	if (!window.EventSource)
		return;
	var source = new EventSource("/events");
	["run", "step", "sensor", "conf"].forEach(function (kind) { source.addEventListener(kind, soon); });
	source.addEventListener("progress", progress);
	source.onopen = function () { here.textContent = "live"; };
	source.onerror = function () { here.textContent = "not live"; };
	document.addEventListener("visibilitychange", function () { if (!document.hidden && again) soon(); });
	addEventListener("pagehide", function () { source.close(); });
})();
