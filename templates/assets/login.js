// A session's cookie is not sent when somebody follows a link from another site, so they come here although they are logged in. Asked
// for once more, from here, the page knows them and sends them on.

const elsewhere = document.referrer && new URL(document.referrer).origin !== location.origin;
if (elsewhere && !document.querySelector('[role="alert"]')) location.replace(location.href);
