"use strict";

// Shows openapi.json, which lies beside this page. Calls go to where the page came from: a proxy may have put a
// prefix before the path that the service knows nothing of.

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const home = new URL(".", location.href).pathname.replace(/\/$/, "") || "/";

const withHome = (response) => {
  if (response.obj && response.obj.openapi && response.obj.servers) {
    response.obj.servers = [{ url: home }];
    response.text = response.data = JSON.stringify(response.obj);
  }
  return response;
};

window.ui = SwaggerUIBundle({
  url: "openapi.json",
  domNode: document.getElementById("routes"),
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  validatorUrl: null,
  responseInterceptor: withHome,
});
