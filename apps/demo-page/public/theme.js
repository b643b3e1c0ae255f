// Before the first paint, or a page in the theme that was not chosen would flash.
try {
  const theme = localStorage.getItem('airlock.theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Storage may be denied: then the system's theme it is.
}
