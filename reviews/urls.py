from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from django.views.generic import RedirectView

from reviews import views

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("reviews/<int:pk>/", views.review_page, name="review"),
    path("reviews/<int:pk>/lock/", views.lock_review, name="lock"),
    path("reviews/<int:pk>/unlock/", views.unlock_review, name="unlock"),
    path("review/<int:pk>", RedirectView.as_view(pattern_name="review", permanent=True)),
    path("login/", LoginView.as_view(template_name="login.html", redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
