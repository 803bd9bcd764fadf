// Runs before the first paint, so that a dark page is never white for a moment.
(function () {
  var wish = null;
  try {
    wish = localStorage.getItem("tern.theme");
  } catch (error) {
    // Storage is switched off: the system's wish counts.
  }
  var dark = wish === "dark" || (wish !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
