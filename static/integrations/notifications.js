// Who has not chosen a time zone yet is offered that of the browser.
document.querySelectorAll("[data-time-zone] select").forEach((select) => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...select.options].some((option) => option.value === zone)) select.value = zone;
});
