// A session's cookie is not sent when somebody follows a link from another site, so they come here although they are logged in.

const session = await fetch("/dashboard/api/session");
if (session.ok) location.reload();
